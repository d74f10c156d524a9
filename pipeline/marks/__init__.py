"""The mark in the pixels of images that a model has drawn."""
