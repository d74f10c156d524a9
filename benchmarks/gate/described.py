"""The features of each image and variant, computed once and kept in files."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from benchmarks.gate import faults
from benchmarks.gate.pictures import Pictures
from benchmarks.gate.verdicts import describe, describe_noise
from components.images.features import ImageFeatures, parse, serialize
from components.source_hash import source_hash

_CODE = ("components.images.features", "components.sample_evaluator.samples.draw")


class Described:
    """A data set with what the metrics read of its images and their variants."""

    def __init__(self, pictures: Pictures, folder: Path) -> None:
        """Opens the files of a data set; others are written if the images or the code change."""
        self.pictures = pictures
        self._features = pictures.options.features
        digest = hashlib.sha256(Path(faults.__file__).read_bytes())
        digest.update(pictures.images.tobytes())
        digest.update(self._features.identity.encode())
        for module in _CODE:
            digest.update(source_hash(module).encode())
        self._folder = folder / f"{pictures.name}-{digest.hexdigest()[:16]}"
        self._known: dict[str, dict[int, ImageFeatures]] = {}
        self.noise = describe_noise(self._features, pictures.held_out, pictures.images.shape[1:])

    def take(self, parts: faults.Parts, labeled: bool = True) -> list[ImageFeatures]:
        """Returns the features of variants of rows; computes those that are not there yet."""
        found = [
            image for variant, rows in parts for image in self._rows(variant, list(map(int, rows)))
        ]
        return found if labeled else [image._replace(label="") for image in found]

    def real(self, rows: np.ndarray, labeled: bool = True) -> list[ImageFeatures]:
        """Returns the features of images as they are."""
        return self.take([("real", rows)], labeled)

    def forget(self) -> None:
        """Frees the memory of all variants but the images themselves."""
        self._known = {name: known for name, known in self._known.items() if name == "real"}

    def _rows(self, variant: str, rows: Sequence[int]) -> list[ImageFeatures]:
        known = self._known.get(variant)
        if known is None:
            known = self._known[variant] = self._read(variant)
        missing = np.array(sorted({row for row in rows if row not in known}), int)
        if len(missing):
            images = faults.draw(variant, self.pictures.images, missing)
            labels = self.pictures.labels[missing] if variant == "real" else None
            new = describe(self._features, images, labels)
            known.update(
                (row, image._replace(key=row.to_bytes(8, "big")))
                for row, image in zip(map(int, missing), new, strict=True)
            )
            self._append(variant, [known[row] for row in map(int, missing)])
        return [known[row] for row in rows]

    def _read(self, variant: str) -> dict[int, ImageFeatures]:
        files = sorted(map(str, self._folder.glob(f"{variant}-*")))
        found = (parse(record.numpy()) for record in tf.data.TFRecordDataset(files))
        return {int.from_bytes(image.key, "big"): image for image in found}

    def _append(self, variant: str, images: Sequence[ImageFeatures]) -> None:
        """Writes one more file, which is complete once it has its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self._folder.glob(f"{variant}-*")))
        path = self._folder / f"{variant}-{number:04}"
        part = path.with_name(f".{path.name}")
        with tf.io.TFRecordWriter(str(part)) as writer:
            for image in images:
                writer.write(serialize(image))
        part.rename(path)
