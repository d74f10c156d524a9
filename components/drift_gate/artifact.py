"""The artifact of DriftGate; names.py names its files and properties."""

from tfx.types import artifact


class DriftVerdict(artifact.Artifact):
    """Whether new images differ from those accepted before, and what the next are compared with."""

    TYPE_NAME = "components.DriftVerdict"
