"""Strategies by which a run finds what earlier runs made."""
