"""Brings the examples of all images into the order of their hashes, by way of files."""
