"""Names of RealFeatures, its output and the files in it."""

NODE = "RealFeatures"
FEATURES = "features"  # output
REAL_PNG = "real.png"  # in its root: grid of held-out images
