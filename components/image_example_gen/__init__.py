"""Converts image files to tf.Examples, and reports invalid files."""
