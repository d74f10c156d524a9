"""Where compared images come from; these are the models of TFMA."""

REAL = "real"  # held-out images: the reference of all other sources
HOLDOUT = "holdout"  # images of data.holdout: the reference of the metrics with that suffix
CANDIDATE = "candidate"  # samples of the model to judge
BASELINE = "baseline"  # of the latest blessed model, from the same seeds; or other images
TRAIN = "train"  # training images: the floor, the result of a perfect model
NOISE = "noise"  # clipped Gaussian noise from the same seeds: the result without training
