"""Compiling for Kubeflow, and calling its API."""
