"""Image to image: the source of an image, and how a network uses it."""
