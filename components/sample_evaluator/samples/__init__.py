"""Drawing the images that are judged."""
