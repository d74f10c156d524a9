"""Imports the schema of the examples into the pipeline."""
