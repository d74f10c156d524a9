"""What is to be done: the files to decode, and what earlier runs have decoded."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from absl import logging

from components.image_example_gen.example import captured_groups
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.shuffle.earlier import file_keys, find_known
from components.image_example_gen.shuffle.parts import Part, list_parts
from components.image_example_gen.shuffle.shards import part_size, shard_count, shard_groups
from components.image_example_gen.shuffle.taking_over import TakenOver, TakeOver
from components.image_example_gen.spans import ImageSource, take_listing
from components.progress import DECODED, expect


@dataclass(frozen=True)
class Plan:
    """What is to be done.

    Attributes:
        sources: what the parts are of; the first one knows the groups that are held out.
        shards: number of shards.
        skipped: counts of files that are not images.
        parts: of the files to decode.
        taken: the others, which were taken over from earlier runs.
        counts: of those, by kind and name.
        rejected: (path, reason) of the first ones of those that are no images.
    """

    sources: list[ImageSource]
    shards: int
    skipped: Counter[str]
    parts: list[Part]
    taken: TakenOver
    counts: Counter[tuple[str, str]]
    rejected: list[tuple[str, str]]


def make_plan(
    sources: Sequence[ImageSource],
    options: ImageOptions,
    split_salt: str,
    uses: Sequence[str],
    code: str,
    partial: str,
    artifacts: Iterable[str],
    fingerprint: str,
) -> Plan:
    """Lists the files, unless the driver has, and takes over what earlier runs have decoded."""
    listings = [take_listing(source, fingerprint) for source in sources]
    first, *held_out = sources
    groups = [captured_groups(listing.images, options) for listing in listings[1:]]
    sources = [replace(first, held_out=frozenset().union(*groups)), *held_out]
    keys = np.concatenate(
        [
            file_keys(listing.images, (each.folder, each.sources), options, code)
            for each, listing in zip(sources, listings, strict=True)
        ]
    )
    known = find_known(keys, artifacts, partial)
    logging.info("%d of %d files are known from earlier runs", np.sum(known.found), len(keys))
    expect(DECODED, len(keys))
    take_over = TakeOver(known, options, split_salt, uses)
    for each, listing in zip(sources, listings, strict=True):
        take_over.add(each, listing.images, by_span=each is sources[0])
    shards = shard_count(len(keys), options)
    taken = take_over.write(shard_groups(shards), partial)
    size = part_size(int(np.sum(~known.found)), options)
    parts = list_parts([listing.images for listing in listings], keys, known.found, size, partial)
    skipped = sum((listing.others for listing in listings), Counter())
    return Plan(sources, shards, skipped, parts, taken, take_over.counts, take_over.rejected)
