"""The artifact of DriftGate; names.py names its files and properties."""

from tfx.types import artifact

from components.drift_gate import names


class DriftVerdict(artifact.Artifact):
    """Whether new images differ from accepted ones, and the reference for the next images."""

    TYPE_NAME = names.VERDICT_TYPE
