"""Names under which DriftGate, its resolver and what it makes are found."""

NODE = "DriftGate"
REFERENCE_NODE = "DriftReference"
VERDICT = "verdict"  # output

# In its root.
VERDICT_JSON = "verdict.json"  # what was compared, with all numbers
NEWEST_NPZ = "newest.npz"  # the Sample of the new images
REFERENCE_NPZ = "reference.npz"  # the Sample that the next images are compared with

# Its custom properties.
DRIFTED = "drifted"  # 1 or 0
SUMMARY = "summary"  # one line
REFERENCE = "reference"  # what was compared with, in words; empty for nothing
EXAMPLES = "examples"  # id of the Examples that were judged
SPAN = "span"  # their newest span; 0 where the data have no spans
