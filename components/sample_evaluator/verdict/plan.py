"""What will be judged, before a model is trained, and whether that can end in a verdict."""

import math

from components.sample_evaluator.options import EvaluateOptions


def announce(options: EvaluateOptions, held_out: int, resolution: int, channels: int) -> list[str]:
    """Says what the evaluation of a run will be able to judge.

    Args:
        options: of the evaluation.
        held_out: number of held-out images.
        resolution: side of the images, in pixels.
        channels: 1 or 3.

    Returns:
        Lines for a person.
    """
    images = f"{held_out:,} held-out image{'' if held_out == 1 else 's'} of "
    images += f"{resolution}x{resolution} in {'gray' if channels == 1 else 'color'}"
    if held_out >= options.min_samples:
        return [f"{images}: enough for a verdict"]
    missing = f"fewer than evaluate.min_samples={options.min_samples}, no model will be blessed"
    if not held_out:
        return [f"{images}: {missing}"]
    times = math.ceil(10 * options.min_samples / held_out) / 10
    return [
        f"{images}: {missing}; {options.min_samples - held_out:,} more of them would do, about "
        f"{times:g} times as many pictures"
    ]
