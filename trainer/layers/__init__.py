"""Keras layers of the networks."""
