"""Optimizers that move all variables in one call."""
