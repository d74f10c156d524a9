"""RealFeatures: computes features of the real images once, for all evaluations on the data."""
