"""Pairs of images from two folders: a source, and the image that a model translates it to."""
