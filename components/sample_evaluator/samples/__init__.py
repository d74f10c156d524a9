"""Drawing the images to judge."""
