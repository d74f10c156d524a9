"""The pictures of an evaluation, each a PNG grid of images; none is written without images."""

from collections.abc import Sequence

import numpy as np
from tfx.utils import io_utils

from components.images.image_set import Images, ImageSet
from components.images.records import Decoder, find_examples
from components.metrics.kinds import MAX_EXAMPLES
from components.sample_evaluator.samples.sampler import LoadedSampler
from components.sample_evaluator.samples.translations import Sources
from trainer.common.image_grid import GAP_GRAY, GRID_SIDE, grid_png
from trainer.common.progress import phase

NEAREST = 10  # samples beside training images
WORST, WORST_COLUMNS = 16, 8  # samples, and samples in a row
TRAJECTORIES, STATES = 6, 9  # samples, and states of each
KINDS = 6  # that are missing
PAIRS = 3  # in each row: the best, those in the middle, the worst
ANSWERED = 6  # sources


def write_samples(samples: Images, folder: str, mark: str = "") -> None:
    """Writes the first samples.

    Args:
        samples: of the candidate.
        folder: of the PNG file.
        mark: as of `grid_png`, for samples that a model drew.
    """
    _write(folder, "samples", samples.pixels[: GRID_SIDE**2], mark=mark)


def write_nearest_pairs(
    samples: Images,
    found: ImageSet,
    training: str,
    decode: Decoder,
    folder: str,
    mark: str = "",
) -> None:
    """Writes the samples nearest to training images and, below each, its nearest one.

    The nearest comes first: copies are among them. A sample that repeats is shown once. A training
    image that is nearest mirrored is shown mirrored, so that a copy is seen as one.

    Args:
        samples: of the candidate.
        found: the same, with their nearest training images.
        training: the folder of the examples of these.
        decode: from `load_decoder`.
        folder, mark: as of `write_samples`.
    """
    order = sorted(
        range(len(found.nearest)),
        key=lambda row: (found.distances[row], found.nearest[row], found.mirrored[row]),
    )
    rows = _distinct(order, found)[:NEAREST]
    images = _find_images(training, [found.nearest[row] for row in rows], decode)
    beside = [images[found.nearest[row]] for row in rows]
    shown = [
        image[:, ::-1] if found.mirrored[row] else image
        for row, image in zip(rows, beside, strict=True)
    ]
    _write(folder, "nearest_pairs", [*samples.pixels[rows], *shown], len(rows), mark)


def write_worst_samples(samples: Images, found: ImageSet, folder: str, mark: str = "") -> None:
    """Writes the samples farthest from real images, the farthest first, each once.

    How far a sample is, is its distance to the nearest training image, which is known: there are
    more training images than held-out ones, so that a sample without a near one is like no real
    image. Nothing is written without training images.

    Args:
        samples, found, folder, mark: as of `write_nearest_pairs`.
    """
    order = sorted(
        range(len(found.nearest)), key=lambda row: (found.distances[row], row), reverse=True
    )
    worst = samples.pixels[_distinct(order, found)[:WORST]]
    _write(folder, "worst_samples", worst, WORST_COLUMNS, mark)


def write_trajectories(
    sampler: LoadedSampler, seed: int, labels: Sequence[str], folder: str
) -> None:
    """Writes one row for each of the first seeds, from noise to image.

    A row shows at most STATES states, evenly spaced among the solver steps. Nothing is written for
    a model without the signature `trajectory`.

    Args:
        sampler: the candidate.
        seed: the first one.
        labels: of all samples, at least one.
        folder: of the PNG file.
    """
    if not sampler.has_trajectory:
        return
    drawn = labels[:TRAJECTORIES]
    with phase("drawing trajectories"):
        states = sampler.trajectory(np.arange(seed, seed + len(drawn)), drawn)
    steps = np.unique(np.linspace(0, sampler.nb_step, STATES).round().astype(int))
    _write(folder, "trajectories", np.concatenate(states[:, steps]), len(steps), sampler.mark)


def write_missing_kinds(
    rows: Sequence[Sequence[bytes]], held_out: str, decode: Decoder, folder: str
) -> None:
    """Writes a row of held-out images for each missing kind, for KINDS at most.

    Args:
        rows: the keys of at most MAX_EXAMPLES images of each kind, one or more.
        held_out: the folder of the examples of these.
        decode: from `load_decoder`.
        folder: of the PNG file.
    """
    rows = rows[:KINDS]
    images = _find_images(held_out, [key for row in rows for key in row], decode)
    cells: list[np.ndarray] = []
    for row in rows:
        cells += [images[key] for key in row]
        cells += [np.full_like(cells[0], GAP_GRAY)] * (MAX_EXAMPLES - len(row))
    _write(folder, "missing_kinds", cells, MAX_EXAMPLES)


def write_pairs(results: Images, given: Sources, folder: str, mark: str) -> None:
    """Writes results beside their sources: a row of the best ones, the median and the worst.

    Each row has up to PAIRS results with the source before and, of pairs, the image behind. They
    are ranked by PSNR, without pairs by seed.

    Args:
        results: of the candidate.
        given: what they are the results of.
        folder, mark: as of `write_samples`.
    """
    total = len(results.keys)
    rank = np.arange(total)
    if results.scores:
        rank = np.argsort(-results.scores.psnr[:, 0], kind="stable")
    count = max(1, min(PAIRS, total // 3))
    middle = (total - count) // 2
    rows = np.concatenate([rank[:count], rank[middle : middle + count], rank[-count:]])
    beside = [given.pictures, results.pixels]
    if given.images is not None:
        beside.append(given.images)
    cells = np.stack([each[rows] for each in beside], axis=1)
    _write(folder, "pairs", np.concatenate(cells), count * len(beside), mark)


def write_answers(answers: np.ndarray, given: Sources, folder: str, mark: str) -> None:
    """Writes rows of a source, the answers to it and any image; none for a single answer to each.

    Args:
        answers: uint8 [N, K, H, W, C].
        given: what they answer.
        folder, mark: as of `write_samples`.
    """
    if answers.shape[1] < 2:
        return
    shown = [given.pictures[:, None], answers]
    if given.images is not None:
        shown.append(given.images[:, None])
    cells = np.concatenate([each[:ANSWERED] for each in shown], axis=1)
    _write(folder, "answers", np.concatenate(cells), cells.shape[1], mark)


def _distinct(rows: Sequence[int], found: ImageSet) -> list[int]:
    """Of rows with equal pixels, the first."""
    first: dict[bytes, int] = {}
    for row in rows:
        first.setdefault(found.digests[row], row)
    return list(first.values())


def _find_images(folder: str, keys: Sequence[bytes], decode: Decoder) -> dict[bytes, np.ndarray]:
    """The images uint8 [H, W, C] with some keys, by key; only these are decoded."""
    if not keys:
        return {}
    records = find_examples(folder, keys)
    return dict(zip(records, decode(list(records.values())).numpy(), strict=True))


def _write(
    folder: str,
    name: str,
    images: Sequence[np.ndarray] | np.ndarray,
    columns: int | None = None,
    mark: str = "",
) -> None:
    if len(images):
        io_utils.write_bytes_file(f"{folder}/{name}.png", grid_png(np.stack(images), columns, mark))
