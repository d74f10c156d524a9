"""Stored examples as batches of images, and the features of these."""
