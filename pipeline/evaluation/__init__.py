"""Judging a model or a folder of images outside a pipeline."""
