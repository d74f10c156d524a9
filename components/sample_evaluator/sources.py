"""Where the images that are compared come from; TFMA knows them as its models."""

REAL = "real"  # held-out images: what the other sources are compared with
HOLDOUT = "holdout"  # images of data.holdout: what the metrics of that name compare with
CANDIDATE = "candidate"  # samples of the model that is judged
BASELINE = "baseline"  # samples of the latest blessed model, from the same seeds
TRAIN = "train"  # training images: the floor, what a perfect model would reach
NOISE = "noise"  # clipped Gaussian noise from the same seeds: what no training reaches
