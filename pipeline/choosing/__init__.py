"""A look at a folder of images, and the configuration that suits them."""
