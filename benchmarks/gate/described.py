"""The described images of each variant, computed once and kept in files."""

import dataclasses
import hashlib
from pathlib import Path

import numpy as np

from benchmarks.gate import faults
from benchmarks.gate.pictures import Pictures
from benchmarks.gate.verdicts import describe_noise, describe_pixels
from components.images.described import read_image_set, write_image_set
from components.images.image_set import ImageSet, join
from components.source_hash import source_hash

_CODE = ("components.images.image_set", "components.sample_evaluator.samples.draw")


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
        self._known: dict[str, ImageSet] = {}  # by variant; the keys are the rows
        self.noise = describe_noise(self._features, pictures.held_out, pictures.images.shape[1:])

    def take(self, parts: faults.Parts, labeled: bool = True) -> ImageSet:
        """Returns variants of rows, in their order; describes those that are not there yet."""
        start, found = 0, []
        for variant, rows in parts:
            numbers = range(start, start + len(rows))
            keys = [number.to_bytes(8, "big") for number in numbers]
            found.append(dataclasses.replace(self._rows(variant, rows), keys=keys))
            start += len(rows)
        images = join(found)
        return images if labeled else dataclasses.replace(images, labels=[""] * len(images))

    def real(self, rows: np.ndarray, labeled: bool = True) -> ImageSet:
        """Returns the images as they are."""
        return self.take([("real", rows)], labeled)

    def forget(self) -> None:
        """Frees the memory of all variants but the images themselves."""
        self._known = {name: known for name, known in self._known.items() if name == "real"}

    def _rows(self, variant: str, rows: np.ndarray) -> ImageSet:
        parts = [self._known[variant]] if variant in self._known else self._read(variant)
        there = {key for part in parts for key in part.keys}
        missing = np.array(sorted({row for row in map(int, rows) if _key(row) not in there}), int)
        if len(missing):
            pixels = faults.draw(variant, self.pictures.images, missing)
            labels = list(self.pictures.labels[missing]) if variant == "real" else None
            new = describe_pixels(self._features, pixels, labels)
            new = dataclasses.replace(new, keys=[_key(row) for row in missing])
            self._append(variant, new)
            parts.append(new)
        known = self._known[variant] = join(parts)
        places = {key: place for place, key in enumerate(known.keys)}
        return known.take(np.array([places[_key(row)] for row in rows], int))

    def _read(self, variant: str) -> list[ImageSet]:
        return [read_image_set(str(path)) for path in sorted(self._folder.glob(f"{variant}-*"))]

    def _append(self, variant: str, images: ImageSet) -> None:
        """Writes one more file, which is complete once it has its name."""
        self._folder.mkdir(parents=True, exist_ok=True)
        number = len(list(self._folder.glob(f"{variant}-*")))
        path = self._folder / f"{variant}-{number:04}"
        part = path.with_name(f".{path.name}")
        write_image_set(str(part), images)
        part.rename(path)


def _key(row: int) -> bytes:
    return f"{row:08}".encode()
