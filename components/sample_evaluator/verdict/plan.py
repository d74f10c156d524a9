"""What will be judged, before a model is trained, and whether that can end in a verdict."""

import math

from components.metrics import MAX_DIMENSION, get_metric
from components.sample_evaluator.options import EvaluateOptions
from trainer.common.text import quantity


def left_out(
    options: EvaluateOptions, held_out: int, shape: tuple[int, int, int]
) -> dict[str, int | None]:
    """The metrics that cannot be judged, each with the number of images that would do.

    Args:
        options: of the evaluation, with the feature space that will be used.
        held_out: number of held-out images.
        shape: H, W, C of the images.

    Returns:
        Numbers by name; None where no number would do.
    """
    dimension = options.features.dimension(shape)
    count = min(held_out, options.samples)
    needed = {name: get_metric(name).images_needed(dimension) for name in options.judged}
    return {name: images for name, images in needed.items() if images is None or images > count}


def announce(
    options: EvaluateOptions,
    held_out: int,
    shape: tuple[int, int, int],
    trained: int | None = None,
) -> list[str]:
    """Says what the evaluation of a run will be able to judge.

    Args:
        options: of the evaluation, with the feature space that will be used.
        held_out: number of held-out images.
        shape: H, W, C of the images.
        trained: number of training images, whose distance is the floor; None: enough.

    Returns:
        Lines for a person.
    """
    if trained is not None and trained < options.min_samples:
        return [f"{quantity(trained, 'training image')}: {_too_few(options, trained)}"]
    height, width, channels = shape
    images = f"{quantity(held_out, 'held-out image')} of {width}x{height} in "
    images += "gray" if channels == 1 else "color"
    if held_out < options.min_samples:
        return [f"{images}: {_too_few(options, held_out)}"]
    missing = left_out(options, held_out, shape)
    judged = [name for name in options.judged if name not in missing]
    if missing and not judged:
        lines = [f"{images}: no limit can be applied, no model will be blessed"]
    else:
        by = ", ".join(judged) or "copies alone"
        lines = [f"{images}: judged by {by} in {options.features.name}"]
    return lines + [_without(name, needed, options) for name, needed in missing.items()]


def _without(name: str, needed: int | None, options: EvaluateOptions) -> str:
    if needed is None:
        space, most = options.features.name, f"{MAX_DIMENSION:,}"
        return f"{name} is left out: {space} has more dimensions than the {most} it allows"
    samples = f" and evaluate.samples={needed}" if options.samples < needed else ""
    return f"{name} is left out: it needs {needed:,} held-out images{samples}"


def _too_few(options: EvaluateOptions, held_out: int) -> str:
    problem = f"fewer than evaluate.min_samples={options.min_samples}, no model will be blessed"
    if not held_out:
        return problem
    times = math.ceil(10 * options.min_samples / held_out) / 10
    return (
        f"{problem}; {options.min_samples - held_out:,} more of them would do, about {times:g} "
        "times as many pictures"
    )
