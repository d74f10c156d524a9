"""Names under which ImageExampleGen and what it makes are found."""

NODE = "ImageExampleGen"
EXAMPLES = "examples"  # output
REJECTED_JSON = "rejected.json"  # in its root: the report on the files (report.py)

# Execution properties.
INPUT_BASE = "input_base"  # the data folder
REQUESTED_SPAN = "requested_span"  # the number of a span, or LATEST
WINDOW_OPTIONS = "window_options"  # WindowOptions as JSON
WINDOW = "window"  # the spans that are read, found by the driver, as JSON
HOLDOUT = "holdout"  # the folder of data.holdout; empty without one
SOURCE = "source"  # the folder of data.source, paired by name; empty without one
UNPAIRED_SOURCE = "unpaired_source"  # the folder of data.source with data.pairing=none; or empty
HOLDOUT_SOURCE = "holdout_source"  # the folder of data.holdout_source; empty without one
IMAGE_OPTIONS = "image_options"  # ImageOptions as JSON

SOURCES_FOLDER = "sources"  # in the root: the report, and all else beside splits, on such sources

# Properties of the examples, the counts also keys of the report.
FILES = "files"
ACCEPTED = "accepted"
REJECTED = "rejected"
DUPLICATES = "duplicates"
COUNTS = (FILES, ACCEPTED, REJECTED, DUPLICATES)
REMARKS = "remarks"  # lines about skipped files and unusual images, as JSON
SPAN = "span"  # the newest that was read; 0 where the data have no spans
SPANS = "spans"  # all that were read, ascending, as JSON
