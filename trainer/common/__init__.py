"""Helpers for every part of the project."""
