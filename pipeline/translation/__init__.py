"""Translating files with a model, and showing what it makes of held-out images."""
