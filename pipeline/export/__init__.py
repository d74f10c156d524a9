"""Folders with a pushed model as other tools expect it."""
