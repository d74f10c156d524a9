"""Checks the choices that IADBModel is made with, of which some would otherwise have no effect."""

import math
from numbers import Integral

import keras

from trainer.ode.guidance import Interval


def check_training(rank: int, label_dropout: float, pair_noise: float, seed: int) -> None:
    """Checks what a training depends on.

    Raises:
        ValueError: an argument is none of those that IADBModel lists.
    """
    if rank < 2:
        raise ValueError(f"rank={rank} must be at least 2, that of a batch of points")
    if not isinstance(seed, Integral) or not -(2**63) <= seed < 2**63:
        raise ValueError(f"seed={seed!r} must be a whole number of 64 bits")
    for name, share in (("label_dropout", label_dropout), ("pair_noise", pair_noise)):
        if not 0 <= share <= 1:
            raise ValueError(f"{name}={share} must be from 0 to 1")


def check_trainable(network: keras.Model) -> None:
    """Checks that there is something to train.

    Raises:
        ValueError: the network is frozen, or it is subclassed and was not called.
    """
    if not network.built and not (network.weights and all(each.built for each in network.layers)):
        raise ValueError("the network has no weights yet: call it once before training")
    if not network.trainable_variables:
        raise ValueError("the network has no weights that can be trained: all are frozen")


def check_guidance(
    guidance: float, nb_class: int, autoguidance: float, interval: Interval, guided: bool
) -> None:
    """Checks how samples are guided.

    Args:
        guidance: weight of classifier-free guidance.
        nb_class: number of classes of the network.
        autoguidance: its weight.
        interval: of the alphas at which samples have it.
        guided: whether there is a guide for it.

    Raises:
        ValueError: a weight or the number of classes is negative, there is no class or guide for a
            weight, or the interval is empty or beyond 0 to 1.
    """
    if nb_class < 0:
        raise ValueError(f"nb_class={nb_class} must be at least 0")
    for name, weight in (("guidance", guidance), ("autoguidance", autoguidance)):
        if not 0 <= weight < math.inf:
            raise ValueError(f"{name}={weight} must be a number of at least 0")
    if guidance != 1.0 and not nb_class:
        raise ValueError(f"guidance={guidance:g} needs a conditional network: pass nb_class")
    if autoguidance != 1.0 and not guided:
        raise ValueError(f"autoguidance={autoguidance:g} needs a guide: pass a GuidingNetwork")
    start, end = interval
    if not 0 <= start < end <= 1:
        raise ValueError(
            f"autoguidance_interval={[start, end]} must have a start below its end, of 0 to 1"
        )
