"""Finds the source of each image: the file in another folder with the same path, up to the ending.

A name that several files of a folder have, a.jpg and a.png, is no name of a pair. Macs write é as
two characters, others as one: to a reader these names are equal, and so they are here.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import ImageFile
from components.image_example_gen.storage.remote import join, relate

NO_SOURCE = "no source of this name"
NO_IMAGE = "no image of this name"
RELATIONS = {  # of sources to their images
    "same": "in the same folder as",
    "inside": "inside the folder of",
    "around": "in a folder around",
}
AMBIGUOUS = "several images or sources of this name, with other endings"
OTHER_ACCENTS = "several images or sources of this name, with accents stored in two ways"

Name = tuple[int, str]  # of a pair: the span, and the path in it without its ending


def check_apart(folder: str, sources: str) -> None:
    """Raises an ImageDataError if images and sources share a folder, or one contains the other."""
    if relation := relate(sources, folder):
        raise ImageDataError(
            f"{sources}: the sources are {RELATIONS[relation]} their images, {folder}; keep images "
            "and sources in two folders side by side"
        )


def match(
    images: Iterable[ImageFile], sources: Iterable[ImageFile], source_folder: str
) -> list[ImageFile]:
    """Gives each image its source.

    Files that are not one of a pair are set aside: they have a problem, which says why.

    Args:
        images: of the data.
        sources: the files that may be their sources.
        source_folder: with which the paths of those that are set aside begin.

    Returns:
        All images, and the sources that are set aside, in any order.
    """
    ours, theirs = _by_name(images), _by_name(sources)
    matched = []
    for name in ours.keys() | theirs.keys():
        mine, found = ours.get(name, []), theirs.get(name, [])
        if len(mine) == len(found) == 1:
            matched.append(replace(mine[0], source=found[0]))
            continue
        alone = (not found and NO_SOURCE) or (not mine and NO_IMAGE) or ""
        reason = alone if len(mine) + len(found) == 1 else _ambiguity(mine, found)
        matched += [replace(file, problem=file.problem or reason) for file in mine]
        matched += [
            replace(file, path=join(source_folder, file.path), problem=file.problem or reason)
            for file in found
        ]
    return matched


def _by_name(files: Iterable[ImageFile]) -> dict[Name, list[ImageFile]]:
    found = defaultdict(list)
    for file in files:
        found[file.span, unicodedata.normalize("NFC", _stem(file))].append(file)
    return found


def _stem(file: ImageFile) -> str:
    return os.path.splitext(file.path_in_span)[0]


def _ambiguity(images: Sequence[ImageFile], sources: Sequence[ImageFile]) -> str:
    """Why several files have one name, in a folder or in both."""
    same = all(len(set(map(_stem, files))) <= 1 for files in (images, sources))
    return AMBIGUOUS if same else OTHER_ACCENTS
