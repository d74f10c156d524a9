"""Compiling for Kubeflow and Vertex AI, and calling Kubeflow's API."""
