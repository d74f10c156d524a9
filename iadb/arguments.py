"""Checks of what a program asks a model for."""

import operator
from collections.abc import Sequence
from numbers import Integral

import numpy as np

from trainer.serving.stored_model import StoredModel

LEAST_SEED, LAST_SEED = -(2**63), 2**63 - 1  # int64, as models take them
Labels = str | Sequence[str]  # of all images, or one for each


def check_number(name: str, number: int) -> None:
    """Raises a ValueError unless a number is whole and at least 1."""
    if not (isinstance(number, Integral) and number >= 1):
        raise ValueError(f"{name}={number!r}: expected a whole number of at least 1")


def seeds_from(first: int, count: int) -> range:
    """The seeds of so many images.

    Raises:
        ValueError: one is no int64.
    """
    try:
        first, count = operator.index(first), operator.index(count)  # those of NumPy wrap around
    except TypeError:
        raise ValueError(f"seed={first!r}: expected a whole number") from None
    seeds = range(first, first + count)
    if seeds and not LEAST_SEED <= seeds[0] <= seeds[-1] <= LAST_SEED:
        raise ValueError(
            f"seed={first}: expected seeds from {LEAST_SEED} to {LAST_SEED}, got {seeds[0]} to "
            f"{seeds[-1]}"
        )
    return seeds


def known_labels(model: StoredModel, label: Labels | None, count: int) -> list[str]:
    """A label for each of so many images, as the model spells it.

    Raises:
        ValueError: there is another number of labels, or one that the model does not know.
    """
    # One that is no name is refused as such; the order of a set is no order of images.
    if isinstance(label, np.ndarray) and label.ndim == 0:
        label = label.item()
    if isinstance(label, str | bytes | set | dict) or not hasattr(label, "__len__"):
        return [model.known_label(label)] * count
    if len(label) != count:
        raise ValueError(f"expected one label, or one for each of {count}, got {len(label)}")
    return [model.known_label(each) for each in label]
