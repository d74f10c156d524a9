"""Pairs images with their sources, from which a model is to translate, by their names.

They are in two folders, with the same path up to the ending. A name that several files of a folder
have, a.jpg and a.png, is no name of a pair. Macs write é as two characters, others as one: to a
reader these names are equal, and so they are here.
"""

import os
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace

from components.image_example_gen import reasons
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.storage import join, relate

RELATIONS = {  # of sources to their images
    "same": "in the same folder as",
    "inside": "inside the folder of",
    "around": "in a folder around",
}


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
    by_name: dict[tuple[int, str], tuple[list[ImageFile], list[ImageFile]]]
    by_name = defaultdict(lambda: ([], []))
    for side, files in enumerate((images, sources)):
        for file in files:
            stem = os.path.splitext(file.path_in_span)[0]
            by_name[file.span, unicodedata.normalize("NFC", stem)][side].append(file)
    matched = []
    for ours, theirs in by_name.values():
        if len(ours) == len(theirs) == 1:
            matched.append(replace(ours[0], source=theirs[0]))
            continue
        alone = reasons.NO_SOURCE if ours else reasons.NO_IMAGE
        reason = alone if len(ours) + len(theirs) == 1 else reasons.AMBIGUOUS
        outside = [replace(file, path=join(source_folder, file.path)) for file in theirs]
        matched += [replace(file, problem=file.problem or reason) for file in ours + outside]
    return matched
