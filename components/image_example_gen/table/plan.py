"""What is to be done: the files to decode, and what earlier runs have decoded."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from absl import logging

from components.image_example_gen.example import captured_group
from components.image_example_gen.files import ImageFile
from components.image_example_gen.listed import take
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.spans import ImageSource, take_listing
from components.image_example_gen.table.known import file_keys, find_known
from components.image_example_gen.table.parts import Part, list_parts
from components.image_example_gen.table.shards import images_per_shard
from components.progress import DECODED, counted, expect

# A part is at most as large as a shard. Smaller ones occupy more workers, and less of them is lost
# if a run is killed; from larger ones, a shard is read faster.
PARTS, MIN_IMAGES_PER_PART = 64, 64


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        sources: what the files are of; the first one knows the groups that are held out.
        ends: number of files of all sources up to each of them.
        keys: of all files.
        parts: of the files to decode.
        shards: number of shards.
        skipped: counts of files that are not images.
    """

    sources: list[ImageSource]
    ends: list[int]
    keys: pa.Array
    parts: list[Part]
    shards: int
    skipped: Counter[str]


def make_plan(
    sources: Sequence[ImageSource],
    options: ImageOptions,
    code: str,
    artifacts: Iterable[str],
    fingerprint: str,
    partial: str,
) -> tuple[Plan, pa.Table]:
    """Lists the files, unless the driver has, and divides those to decode into parts.

    Returns:
        The plan, and the rows of the other files, as of `find_known`.
    """
    listings = [take_listing(source, fingerprint) for source in sources]
    first, *held_out = sources
    groups = {
        captured_group(file.path_in_span, options)
        for listing in listings[1:]
        for file in listing.images
    }
    sources = [replace(first, held_out=frozenset(groups - {None})), *held_out]
    keys = pa.concat_arrays(
        [
            file_keys(listing.images, (each.folder, each.sources), options, code)
            for each, listing in zip(sources, listings, strict=True)
        ]
    )
    known, is_new = find_known(keys, artifacts)
    new = int(is_new.sum())
    logging.info("%d of %d files are known from earlier runs", len(keys) - new, len(keys))
    expect(DECODED, len(keys))
    with counted(DECODED, len(keys) - new):
        pass
    most = images_per_shard(options)
    size = min(max(MIN_IMAGES_PER_PART, new // PARTS), most)
    parts, ends = [], np.cumsum([len(listing.images) for listing in listings]).tolist()
    for number, listing in enumerate(listings):
        begin = ends[number] - len(listing.images)
        places = _in_order(listing.images, np.flatnonzero(is_new[begin : ends[number]]))
        files = take(listing.images, places)
        parts += list_parts(number, files, keys.take(pa.array(begin + places)), size, partial)
    skipped = sum((listing.others for listing in listings), Counter())
    shards = -(-len(keys) // most)
    return Plan(sources, ends, keys, parts, shards, skipped), known


def _in_order(files: Sequence[ImageFile], places: np.ndarray) -> np.ndarray:
    """Places of files, ascending, with those of an archive in its order instead of by name."""
    archives, offsets = np.empty(len(places), np.int64), np.empty(len(places), np.int64)
    number, name = 0, ""
    for row, file in enumerate(take(files, places)):
        if file.archive != name:
            number, name = number + 1, file.archive
        archives[row], offsets[row] = number, file.offset
    return places[np.lexsort((offsets, archives))]
