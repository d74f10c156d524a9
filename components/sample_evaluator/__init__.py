"""Samples in, metrics, a verdict and a report out."""
