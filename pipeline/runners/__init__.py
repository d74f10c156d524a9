"""One module a runner; each takes the same pipeline."""
