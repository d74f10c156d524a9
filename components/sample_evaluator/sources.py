"""Where compared images come from."""

REAL = "real"  # held-out images: the reference of all other sources
HOLDOUT = "holdout"  # images of data.holdout: the reference of the metrics with that suffix
CANDIDATE = "candidate"  # samples of the model to judge
BASELINE = "baseline"  # of the latest blessed model, from the same seeds; or other images
TRAIN = "train"  # training images: the floor, the result of a perfect model
NOISE = "noise"  # clipped Gaussian noise from the same seeds: the result without training

# Beside the results of a candidate that translates:
SOURCE = "source"  # the sources themselves, without their mask
OTHER = "other"  # other held-out images: results of a model that ignores its sources; of pairs
ANSWER = "answer"  # one answer of the candidate to each of the first sources
MEAN_ANSWER = "mean_answer"  # the mean of several answers to each of these
BESIDE_RESULTS = (SOURCE, OTHER, ANSWER, MEAN_ANSWER)
