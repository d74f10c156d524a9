"""Metrics without a group of samples at a time, and what they say of a difference."""
