"""Starts a training from the weights of an earlier model instead of random ones.

Beside a sampler SavedModel are the network's raw weights, their moving average, and the guide,
which the new training keeps as it is. Training continues from the raw weights, and the average from
the earlier average; its warm-up counts images from zero again (trainer/step/copies.py), so it
follows the new weights within the first steps. Optimizer, learning-rate schedule and step start
anew.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from trainer.fit.stored_weights import MisfitError, load_weights
from trainer.iadb import IADBModel
from trainer.options import ModelOptions
from trainer.source.options import Source


def warm_start(
    model: IADBModel,
    base: str | None,
    options: ModelOptions,
    shape: tuple[int, int, int],
    labels: Sequence[str],
    split: Mapping[str, Any] | None,
    report: Callable[[str], None],
    source: Source | None = None,
) -> str | None:
    """Loads the weights of the base model if there is one and they fit, and reports it.

    Args:
        model, options, shape, labels, split, source: as in `load_weights`.
        base: the sampler SavedModel of the base; None if there is none.
        report: receives one line on what the training starts from, and why.

    Returns:
        `base`, or None if the model keeps its weights.
    """
    try:
        if base is None:
            raise MisfitError("there is no blessed model yet that was trained on other examples")
        load_weights(model, base, options, shape, labels, split, source)
    except MisfitError as misfit:
        report(f"cold start: {misfit}")
        return None
    report(f"warm start from the latest blessed model, {base}")
    return base
