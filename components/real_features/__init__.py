"""RealFeatures: describes the real images once, for all evaluations on the same data."""
