"""Solvers of dx/dalpha = d(x, alpha)."""
