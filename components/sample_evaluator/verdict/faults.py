"""Faults of images and samples that reject a model, or are worth a warning, without a limit."""

import math
from collections.abc import Iterator, Sequence

from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import Results, SourceResult
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict.checks import DISTINCT, FLAT, IMAGES, Check, compare
from trainer.common.text import list_some, quantity

# The excess of single-colored samples over real images, as a share, that rejects a model: NaN in a
# network becomes such samples in uint8.
MAX_FLAT_EXCESS = 0.01
FLAT_DEVIATIONS = 2.5  # of a difference between samples and images that chance may make
# The excess of samples that repeat others, as a share, that rejects a model: it has collapsed.
MAX_REPEATED_EXCESS = 0.2
EQUAL_SHARE = 0.01  # of samples that are held-out images pixel by pixel, from which this is said
# By how much a model may exceed training images until it looks too good.
MAX_PRECISION_EXCESS, MAX_DENSITY_RATIO = 0.1, 1.5


def image_checks(results: Results, options: EvaluateOptions) -> Iterator[Check]:
    """Whether there are too few real images to judge by."""
    unpaired = sources.SOURCE in results and sources.OTHER not in results
    both = ", of images and of sources" if unpaired else ""
    for source, images, more in (
        (sources.REAL, "held-out image", both),
        (sources.TRAIN, "training image", ": their distances are the floor of all"),
    ):
        count = results[source].images
        few = "is too few" if count == 1 else "are too few"
        required = f"at least {options.min_samples} are required"
        missed = f"{quantity(count, images)} {few}: {required}{more}"
        numbers = (count, None, options.min_samples)
        yield compare(IMAGES, source, count < options.min_samples, numbers, missed)


def sample_checks(results: Results) -> Iterator[Check]:
    """Whether samples are all the same, repeat others, or are a single color."""
    real, candidate = results[sources.REAL], results[sources.CANDIDATE]
    count, distinct, flat = candidate.images, candidate.distinct_images, candidate.flat_images
    if count < 2 or not real.images:  # without real images, image_checks says so
        return
    given = results.get(sources.SOURCE)
    shares = [real.distinct_images / real.images]
    several = results.get(sources.MEAN_ANSWER, SourceResult()).images  # answers to each source
    if given and given.images and not several:
        shares.append(given.distinct_images / given.images)  # equal sources have equal results
    excess = min(shares) - distinct / count
    repeated = (
        f"{count - distinct} of {count} samples repeat others pixel by pixel: only {distinct} are "
        "different"
    )
    if distinct == 1:
        repeated = f"all {count} samples are the same image"
    is_missed = distinct == 1 or excess > MAX_REPEATED_EXCESS
    yield compare(DISTINCT, "maximum", is_missed, (excess, None, MAX_REPEATED_EXCESS), repeated)
    allowed = _expected_flat(results, count)
    trained = results.get(sources.TRAIN, SourceResult()).flat_images
    beside = f"held-out images: {real.flat_images}"
    beside += f", training images: {trained}" if trained else ""
    single = (
        f"{flat} of {count} samples {'is' if flat == 1 else 'are'} a single color ({beside})"
        f"{', as from a network that returns NaN' if 2 * flat > count else ''}"
    )
    yield compare(FLAT, "maximum", flat > allowed, (flat, None, allowed), single)


def _expected_flat(results: Results, count: int) -> float:
    """How many of so many samples may be a single color, by real images and by chance.

    Equal images are on one side of the split, so both sides count.
    """
    real = [results.get(source, SourceResult()) for source in (sources.REAL, sources.TRAIN)]
    share = max(each.flat_images / each.images for each in real if each.images)
    chance = FLAT_DEVIATIONS * math.sqrt(share * (1 - share) * 2 / count)
    return (share + max(MAX_FLAT_EXCESS, chance)) * count


def warnings(results: Results) -> Iterator[str]:
    """What looks too good, in sentences: samples that are real images, or that crowd."""
    candidate, floor = results[sources.CANDIDATE], results[sources.TRAIN]
    if candidate.equal_images > EQUAL_SHARE * candidate.images:
        samples = quantity(candidate.images, "sample")
        verb = "equals a held-out image" if candidate.equal_images == 1 else "equal held-out images"
        yield (
            f"{candidate.equal_images:,} of {samples} {verb} pixel by pixel: the metrics do not "
            "show how good new images are"
        )
    if sources.OTHER in results:  # results that should be held-out images may be this near to them
        return
    for name, is_too_good in (
        ("precision", lambda value, real: value > real + MAX_PRECISION_EXCESS),
        ("density", lambda value, real: value > real * MAX_DENSITY_RATIO),
    ):
        value, real = candidate[name].value, floor[name].value
        if value is not None and real is not None and is_too_good(value, real):
            yield (
                f"{name} {value:.3g} is above that of training images, {real:.3g}, which is no "
                "success: the samples crowd where the data are dense, as blurred images, means of "
                "images and noise do"
            )


def unknown_classes(labels: Sequence[str]) -> str:
    """A sentence on classes of held-out images that a conditional model was not trained on."""
    classes = "class" if len(labels) == 1 else "classes"
    return (
        f"the model does not know the {classes} {list_some(labels)}, of which its training had no "
        "image; if all are held out because they look alike, data.near_duplicates=off divides them"
    )
