"""Parts: images that are decoded together.

A Beam runner may keep in memory what it shuffles. It gets only the names of files: the examples of
a part, and the rows that say where each of them is (rows.py), are in a file below the artifact,
which all workers reach. A file appears whole, and never changes.
"""

import itertools
import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from operator import attrgetter
from typing import NamedTuple

import numpy as np
from tfx.dsl.io import fileio

from components.image_example_gen.files import ImageFile
from components.image_example_gen.shuffle.files import open_to_read

_VALUES = attrgetter(*(field.name for field in fields(ImageFile)))


class Member(NamedTuple):
    """An image of a part.

    Attributes:
        order: position of the file among all files of its source, sorted by path.
        file: its file.
        key: of the file, in hexadecimal.
    """

    order: int
    file: ImageFile
    key: str


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
            members = json.load(file)
        return [Member(order, _to_file(file), key) for order, file, key in members]


def list_parts(
    sources: Sequence[Sequence[ImageFile]],
    keys: np.ndarray,
    known: np.ndarray,
    size: int,
    partial: str,
) -> list[Part]:
    """Divides files into parts and writes the list of each, so that Beam need not carry them.

    Args:
        sources: the files of each source, sorted by path.
        keys: uint64 [files, 2], of the files of all sources.
        known: bool [files], which of them need not be decoded, and are in no part.
        size: number of files per part.
        partial: folder for the lists.
    """
    parts, begin = [], 0
    for source, files in enumerate(sources):
        orders = _by_content(files, np.flatnonzero(~known[begin : begin + len(files)]).tolist())
        for first in range(0, len(orders), size):
            places = orders[first : first + size]
            members = [
                (place, _to_values(files[place]), keys[begin + place].tobytes().hex())
                for place in places
            ]
            listing = os.path.join(partial, f"{len(parts):06}.json")
            content = json.dumps(members)  # faster than json.dump
            with fileio.open(listing, "wb") as file:
                file.write(content.encode())
            parts.append(Part(source, len(members), listing))
        begin += len(files)
    return parts


def _by_content(files: Sequence[ImageFile], places: list[int]) -> list[int]:
    """The places, those of each archive sorted by offset: a tar need not be in their order."""
    found = []
    for _, group in itertools.groupby(places, lambda place: files[place].archive):
        found += sorted(group, key=lambda place: files[place].offset)
    return found


def _to_values(file: ImageFile) -> list:
    *values, source = _VALUES(file)
    return [*values, source and _to_values(source)]


def _to_file(values: Sequence) -> ImageFile:
    *plain, source = values
    return ImageFile(*plain, source and _to_file(source))
