"""Writes known datasets as image folders; each module has one function `write`."""
