"""The artifact of RealFeatures, and the files in its folder.

There are files for each split, and for the search of copies those of `SEARCH`.
"""

from tfx import types
from tfx.types import artifact, artifact_utils

from components.metrics.kinds import MAX_TRAINING

SEARCH = "search"  # in place of a split: all training images, in SEARCH_SPACE
# Training images in the files of their split: at least the first so many by key, if there are, and
# as many as held-out images are compared. Metrics need no more, and networks may be slow.
TRAINING_IMAGES = MAX_TRAINING


class ImageFeatures(artifact.Artifact):
    """Features of the training images and of the held-out images to compare with."""

    TYPE_NAME = "components.ImageFeatures"


def split_folders(artifacts: list[types.Artifact]) -> dict[str, list[str]]:
    """Returns the folders of Examples by split."""
    splits = artifact_utils.decode_split_names(artifacts[0].split_names)
    return {split: artifact_utils.get_split_uris(artifacts, split) for split in splits}


def file_prefix(folder: str, split: str) -> str:
    """The start of the paths of the files of a split or of SEARCH."""
    return f"{folder}/{split}"


def file_pattern(folder: str, split: str) -> str:
    """A pattern that matches these files."""
    return f"{file_prefix(folder, split)}-*-of-*"
