"""Classifier-free guidance, of arrays and tensors alike.

Ho and Salimans, "Classifier-Free Diffusion Guidance" (2022, arXiv 2207.12598).
"""

from typing import TypeVar

ArrayT = TypeVar("ArrayT")  # of NumPy or a tensor


def guide(with_label: ArrayT, without: ArrayT, guidance: float) -> ArrayT:
    """The field from what the network says with a label and without one, of equal shapes.

    Args:
        with_label, without: outputs of the network.
        guidance: weight; with 1 the field is `with_label`, with 0 `without`.
    """
    return without + guidance * (with_label - without)


def evaluations_per_slope(guidance: float) -> int:
    """Network evaluations per evaluation of the field: 2 with guidance, else 1."""
    return 1 if guidance == 1.0 else 2
