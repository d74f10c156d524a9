"""Names under which RealFeatures and what it makes are found."""

NODE = "RealFeatures"
FEATURES = "features"  # output
REAL_PNG = "real.png"  # in its root: grid of held-out images
