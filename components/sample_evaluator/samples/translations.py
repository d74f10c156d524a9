"""Results of a model that translates, for the sources of held-out images."""

import dataclasses
import itertools
from collections.abc import Sequence

import numpy as np

from components.images.image_set import Images, ImageSet, row_blocks
from components.images.records import Decoder, decode_in_blocks, find_examples, read_examples
from components.metrics.pair_scores import PairScores
from components.progress import SAMPLED, expect
from components.sample_evaluator import sources
from components.sample_evaluator.measure.pairs import score_pairs
from components.sample_evaluator.samples.draw import draw_samples, seed_key
from components.sample_evaluator.samples.sampler import LoadedSampler

ANSWERS = 8  # to each of the first sources
ANSWERED = 100  # sources at most
ANSWER_BYTES = 64 * 2**20  # of all answers at most, but for MIN_ANSWERED sources
MIN_ANSWERED = 8
NEXT_ANSWER = 2**32  # between the seeds of two answers: far more than there are results


@dataclasses.dataclass(frozen=True)
class Sources:
    """What a model translates, in the order of the seeds of the results.

    Attributes:
        labels: of the held-out images that results stand for; may be empty.
        pixels: uint8 [N, H, W, S]; channels after the first C are a mask.
        images: the held-out images, uint8 [N, H, W, C]; None where sources are not paired.
    """

    labels: Sequence[str]
    pixels: np.ndarray
    images: np.ndarray | None

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, rows: slice) -> "Sources":
        images = None if self.images is None else self.images[rows]
        return Sources(self.labels[rows], self.pixels[rows], images)

    @property
    def pictures(self) -> np.ndarray:
        """The sources without their mask, uint8 [N, H, W, C]."""
        return self.pixels if self.images is None else self.pixels[..., : self.images.shape[-1]]


def read_sources(
    folder: str,
    held_out: ImageSet,
    decode: Decoder,
    decode_source: Decoder | None,
    size: int,
) -> Sources:
    """Reads what is translated: a source for each held-out image, in the order of their keys.

    Of sources that are not paired, these are the first ones by key; there may be fewer.

    Args:
        folder: of the examples with the held-out images or, if they are not paired, the sources.
        held_out: the images that results are compared with.
        decode: from `load_decoder`.
        decode_source: from `load_decoder`, of the sources; None where they are not paired.
        size: examples decoded at a time.
    """
    if decode_source is None:
        records = list(itertools.islice(read_examples(folder), len(held_out)))
        return Sources(
            held_out.labels[: len(records)], decode_in_blocks(records, decode, size), None
        )
    found = find_examples(folder, held_out.keys)
    records = [found[key] for key in held_out.keys]
    images, pixels = (decode_in_blocks(records, each, size) for each in (decode, decode_source))
    return Sources(held_out.labels, pixels, images)


def translate(sampler: LoadedSampler, given: Sources, seed: int, size: int) -> Images:
    """Draws the result for each source, and scores it if it should be an image.

    Args:
        sampler: a model that translates.
        given: the sources.
        seed: of the first result; those of the others follow.
        size: images of a batch.
    """
    results = [_draw(sampler, part, seed + rows.start) for rows, part in row_blocks(given, size)]
    return _scored(sampler, given, np.concatenate(results), seed, size)


def show_sources(sampler: LoadedSampler, given: Sources, seed: int, size: int) -> Images:
    """The sources in place of the results of `translate`, from the same arguments."""
    return _scored(sampler, given, given.pictures, seed, size)


def answer_several(sampler: LoadedSampler, given: Sources, seed: int) -> np.ndarray:
    """Draws several answers to each source, of which the first are the results of `translate`.

    The seeds of two answers are NEXT_ANSWER apart.

    Returns:
        uint8 [N, K, H, W, C]; K is 1 for a model with one answer to each source.
    """
    numbers = range(ANSWERS if sampler.source.draws_noise else 1)
    expect(SAMPLED, len(numbers) * len(given))
    answers = [_draw(sampler, given, seed + number * NEXT_ANSWER) for number in numbers]
    return np.stack(answers, axis=1)


def compare_answers(
    sampler: LoadedSampler, given: Sources, answers: np.ndarray, seed: int
) -> dict[str, Images]:
    """What stands beside the results, by its name among the sources of images, where there is any.

    It is one answer to each source, the mean of all answers, and other held-out images, with which
    the answers to the same sources are compared.
    """
    several, compared = answers.shape[1] > 1, {}
    if several or given.images is not None:
        compared[sources.ANSWER] = answers[:, 0]
    if several:
        mean = np.stack([each.mean(axis=0) for each in answers])
        compared[sources.MEAN_ANSWER] = mean.round().astype(np.uint8)
    if given.images is not None and len(given) > 1:
        # Not the neighbors: equal images have equal hashes, and stand together.
        compared[sources.OTHER] = np.roll(given.images, len(given) // 2, axis=0)
    return {
        name: _scored(sampler, given, each, seed, len(given)) for name, each in compared.items()
    }


def nb_answered(shape: tuple[int, int, int]) -> int:
    """To how many sources several answers are drawn, for images of H, W, C."""
    height, width, channels = shape
    affordable = ANSWER_BYTES // (ANSWERS * height * width * channels)
    return min(ANSWERED, max(affordable, MIN_ANSWERED))


def _draw(sampler: LoadedSampler, given: Sources, seed: int) -> np.ndarray:
    seeds, shape = range(seed, seed + len(given)), given.pixels.shape[1:]
    return draw_samples(sampler, seeds, given.labels, shape, given.pixels)


def _scored(
    sampler: LoadedSampler, given: Sources, pixels: np.ndarray, seed: int, size: int
) -> Images:
    """Images in place of results for the sources, with the scores of pairs, batch by batch."""
    keys = [seed_key(number) for number in range(seed, seed + len(given))]
    if given.images is None:
        return Images(keys, given.labels, pixels)
    degradation = sampler.source.degradation
    scores = [
        score_pairs(part.images, pixels[rows], part.pixels, degradation)
        for rows, part in row_blocks(given, size)
    ]
    columns = map(np.concatenate, zip(*scores, strict=True))
    return Images(keys, given.labels, pixels, PairScores(*columns))
