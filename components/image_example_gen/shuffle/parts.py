"""Parts: images that are decoded together.

A Beam runner may keep in memory what it shuffles. It gets only the names of files: the examples of
a part, and the rows that say where each of them is (rows.py), are in a file below the artifact,
which all workers reach. A file appears whole, and never changes.
"""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from tfx.dsl.io import fileio

from components.image_example_gen.files import ImageFile
from components.image_example_gen.shuffle.earlier import Known
from components.image_example_gen.shuffle.files import open_to_read
from components.image_example_gen.shuffle.rows import Outcome, read_outcomes

_VALUES = attrgetter(*(field.name for field in fields(ImageFile)))


class Taken(NamedTuple):
    """What an earlier run knows of an image.

    Attributes:
        sha256: hash of the pixels, in hexadecimal; zeros for a rejected file.
        look: perceptual hash of the pixels, in hexadecimal, as in a row.
        outcome: of its decoding.
        file, offset, size: where the example is, as in a row.
    """

    sha256: str
    look: str
    outcome: Outcome
    file: int
    offset: int
    size: int


class Member(NamedTuple):
    """An image of a part.

    Attributes:
        order: position of the file among all files of its source, sorted by path.
        file: its file.
        key: of the file, in hexadecimal.
        taken: what an earlier run knows of it; None if it must be decoded.
    """

    order: int
    file: ImageFile
    key: str
    taken: Taken | None


@dataclass(frozen=True)
class Part:
    """Images to decode together.

    Attributes:
        source: number of their source.
        images: how many.
        listing: path of the list of the images.
    """

    source: int
    images: int
    listing: str

    def members(self) -> list[Member]:
        """Reads the list of the images."""
        with open_to_read(self.listing) as file:
            outcomes, members = json.load(file)
        outcomes = read_outcomes(outcomes)
        return [
            Member(
                order,
                _to_file(file),
                key,
                Taken(*taken[:2], outcomes[taken[2]], *taken[3:]) if taken else None,
            )
            for order, file, key, taken in members
        ]


def list_parts(
    sources: Sequence[Sequence[ImageFile]],
    keys: np.ndarray,
    known: Known,
    sizes: tuple[int, int],
    partial: str,
) -> list[Part]:
    """Divides files into parts and writes the list of each, so that Beam need not carry them.

    Args:
        sources: the files of each source, sorted by path.
        keys: uint64 [files, 2], of the files of all sources.
        known: what earlier runs know of these files.
        sizes: number of files per part that are to decode, and that are known.
        partial: folder for the lists.
    """
    parts, begin = [], 0
    for source, files in enumerate(sources):
        found = known.found[begin : begin + len(files)]
        for orders, size in zip(
            (np.flatnonzero(~found), np.flatnonzero(found)), sizes, strict=True
        ):
            for first in range(0, len(orders), size):
                places = orders[first : first + size]
                images = [files[place] for place in places]
                members = list(
                    zip(
                        places.tolist(),
                        map(_to_values, images),
                        _to_hex(keys[begin + places]),
                        _taken(known, begin + places),
                        strict=True,
                    )
                )
                listing = os.path.join(partial, f"{len(parts):06}.json")
                content = json.dumps([known.outcomes, members])  # faster than json.dump
                with fileio.open(listing, "wb") as file:
                    file.write(content.encode())
                parts.append(Part(source, len(members), listing))
        begin += len(files)
    return parts


def _to_values(file: ImageFile) -> list:
    *values, source = _VALUES(file)
    return [*values, source and _to_values(source)]


def _to_file(values: Sequence) -> ImageFile:
    *plain, source = values
    return ImageFile(*plain, source and _to_file(source))


def _taken(known: Known, places: np.ndarray) -> list[tuple | None]:
    """What is known of images that are known; otherwise nothing."""
    rows = known.rows[places]
    numbers = (rows[name].tolist() for name in ("outcome", "file", "offset", "size"))
    taken = zip(_to_hex(rows["sha256"]), _to_hex(rows["look"]), *numbers, strict=True)
    return [each if found else None for each, found in zip(taken, known.found[places], strict=True)]


def _to_hex(column: np.ndarray) -> list[str]:
    """The bytes of each row, in hexadecimal."""
    text = column.tobytes().hex()
    width = len(text) // len(column)
    return [text[begin : begin + width] for begin in range(0, len(text), width)]
