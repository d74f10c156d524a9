"""The features of the tf.Example of an image, and the names of the splits.

ImageExampleGen writes the examples; Transform and the statistics read them.
"""

IMAGE = "image"  # bytes: PNG, uint8, resolution x resolution x channels
# What a model translates to the image: in Transform's output, and with data.source also stored, as
# a PNG like the image.
SOURCE = "source"
LABEL = "label"  # bytes: name of the class folder, UTF-8; empty for images outside folders
PATH = "path"  # bytes: the source file, relative to the data folder, UTF-8
SPAN = "span"  # int64: number of the span of the file; 0 without spans
SHA256 = "sha256"  # bytes: lower-case hex digest of the decoded pixels
GROUP = "group"  # bytes: the split key; all images of a group are in the same split
SOURCE_WIDTH = "source_width"  # int64: pixels, after EXIF orientation
SOURCE_HEIGHT = "source_height"  # int64: pixels, after EXIF orientation
SOURCE_BYTES = "source_bytes"  # int64: size of the source file
MEAN = "mean"  # float: mean of the stored pixels, 0 to 255
STDDEV = "stddev"  # float: standard deviation of the stored pixels, 0 to 127.5
SOURCE_MEAN = "source_mean"  # with data.source: mean and standard deviation of SOURCE
SOURCE_STDDEV = "source_stddev"

TRAIN = "train"  # names of the splits
EVAL = "eval"
# With data.pairing=none, the images of data.source: what a model translates, in splits of its own.
SOURCE_TRAIN = "source_train"
SOURCE_EVAL = "source_eval"
HOLDOUT = "holdout"  # only with data.holdout: a fixed set that is never trained on
