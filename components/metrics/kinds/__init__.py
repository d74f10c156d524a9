"""Kinds of images, classes or clusters, and how many of each a model draws."""
