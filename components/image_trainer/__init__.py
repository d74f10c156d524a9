"""Trains the model in one process or, on a cluster, in several pods."""
