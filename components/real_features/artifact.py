"""The artifact of RealFeatures, and the files in its folder."""

from tfx import types
from tfx.types import artifact, artifact_utils

FILE_SUFFIX = ".gz"


class ImageFeatures(artifact.Artifact):
    """Features of all training images and of the held-out images to compare with."""

    TYPE_NAME = "components.ImageFeatures"


def split_folders(artifacts: list[types.Artifact]) -> dict[str, list[str]]:
    """Returns the folders of Examples by split."""
    splits = artifact_utils.decode_split_names(artifacts[0].split_names)
    return {split: artifact_utils.get_split_uris(artifacts, split) for split in splits}


def file_prefix(folder: str, split: str) -> str:
    """The start of the paths of a split's files."""
    return f"{folder}/{split}"


def file_pattern(folder: str, split: str) -> str:
    """A pattern that matches a split's files, for `ReadFeatures`."""
    return f"{file_prefix(folder, split)}-*{FILE_SUFFIX}"
