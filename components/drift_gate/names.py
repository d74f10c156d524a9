"""Names of DriftGate, its resolver, its output and the files and properties of it."""

NODE = "DriftGate"
REFERENCE_NODE = "DriftReference"
VERDICT = "verdict"  # output
VERDICT_TYPE = "components.DriftVerdict"

# In its root.
VERDICT_JSON = "verdict.json"  # the comparison with all numbers
REFERENCE_NPZ = "reference.npz"  # the Sample to compare the next images with

# Its custom properties.
DRIFTED = "drifted"  # 1 or 0
SUMMARY = "summary"  # one line
REFERENCE = "reference"  # URI of the DriftVerdict compared with; may be empty
EXAMPLES = "examples"  # id of the judged Examples
SPAN = "span"  # their newest span; 0 for data without spans
SPACE = "space"  # of the sample in REFERENCE_NPZ; empty without one
