"""The artifact of DriftGate: its files and properties, for those who write and read them."""

from tfx.types import artifact

VERDICT_JSON = "verdict.json"  # what was compared, with all numbers
NEWEST_NPZ = "newest.npz"  # the Sample of the new images
REFERENCE_NPZ = "reference.npz"  # the Sample that the next images are compared with

# Custom properties.
DRIFTED = "drifted"  # 1 or 0
SUMMARY = "summary"  # one line
REFERENCE = "reference"  # what was compared with, in words; empty for nothing
EXAMPLES = "examples"  # id of the Examples that were judged
SPAN = "span"  # their newest span; 0 where the data have no spans


class DriftVerdict(artifact.Artifact):
    """Whether new images differ from those accepted before, and what the next are compared with."""

    TYPE_NAME = "components.DriftVerdict"
