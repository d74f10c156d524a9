"""Metrics of pairs: a result beside the held-out image that it should be."""
