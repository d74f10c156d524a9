"""The examples contract: the features of the one tf.Example that stands for an image.

ImageExampleGen writes it, Transform and the statistics read it.
"""

IMAGE = "image"  # bytes: PNG, uint8, resolution x resolution x channels
LABEL = "label"  # bytes: the class folder's name, UTF-8; empty where images lie flat
PATH = "path"  # bytes: the source file, relative to the data folder, UTF-8
SPAN = "span"  # int64: number of the span that the file came with; 0 without spans
SHA256 = "sha256"  # bytes: lower-case hex digest of the decoded pixels
GROUP = "group"  # bytes: the split key; images of one group land in one split
SOURCE_WIDTH = "source_width"  # int64: pixels, after EXIF orientation
SOURCE_HEIGHT = "source_height"  # int64: pixels, after EXIF orientation
SOURCE_BYTES = "source_bytes"  # int64: size of the source file
MEAN = "mean"  # float: of the stored pixels, 0 to 255
STDDEV = "stddev"  # float: of the stored pixels, 0 to 127.5

TRAIN = "train"  # names of the splits
EVAL = "eval"
HOLDOUT = "holdout"  # only with data.holdout: a fixed set that no training sees
