"""Kinds of images, classes or clusters, and which of them a model leaves out."""
