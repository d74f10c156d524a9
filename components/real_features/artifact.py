"""The artifact of RealFeatures, and the files in its folder."""

from tfx import types
from tfx.types import artifact, artifact_utils


class ImageFeatures(artifact.Artifact):
    """Features of the training images and of the held-out images to compare with."""

    TYPE_NAME = "components.ImageFeatures"


def split_folders(examples: types.Artifact) -> dict[str, str]:
    """Returns the folders of Examples by split."""
    splits = artifact_utils.decode_split_names(examples.split_names)
    return {split: artifact_utils.get_split_uri([examples], split) for split in splits}


def split_file(folder: str, split: str) -> str:
    """The file of the first images of a split, in the feature space of the metrics."""
    return f"{folder}/{split}.npz"


def search_folder(folder: str) -> str:
    """The folder of all training images in SEARCH_SPACE, for the search of copies."""
    return f"{folder}/search"
