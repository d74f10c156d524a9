"""The artifact of RealFeatures: what is in its folder, for those who write and read it."""

import apache_beam as beam
from tfx import types
from tfx.types import artifact, artifact_utils

from components.images import features


class ImageFeatures(artifact.Artifact):
    """Features of the real images: of all for training, of some that are held out."""

    TYPE_NAME = "components.ImageFeatures"


def split_folders(artifacts: list[types.Artifact]) -> dict[str, list[str]]:
    """The folders of Examples, by split."""
    splits = artifact_utils.decode_split_names(artifacts[0].split_names)
    return {split: artifact_utils.get_split_uris(artifacts, split) for split in splits}


def file_prefix(folder: str, split: str) -> str:
    """What the names of a split's files, TFRecords in gzip, start with."""
    return f"{folder}/{split}"


class ReadFeatures(beam.PTransform):
    """The ImageFeatures of a split, from the folder of the artifact."""

    def __init__(self, folder: str, split: str) -> None:
        super().__init__()
        self._pattern = f"{file_prefix(folder, split)}-*.gz"

    def expand(self, root: beam.Pipeline) -> beam.PCollection:
        """Applied to a pipeline."""
        return root | beam.io.ReadFromTFRecord(self._pattern) | "Parse" >> beam.Map(features.parse)
