"""Guidance, of arrays and tensors alike: away from a worse network, beyond a better one.

Classifier-free guidance goes away from the network without a label: Ho and Salimans,
"Classifier-Free Diffusion Guidance" (2022, arXiv 2207.12598). Autoguidance goes away from the
network as it was early in its training: Karras et al., "Guiding a Diffusion Model with a Bad
Version of Itself" (NeurIPS 2024, arXiv 2406.02507). Either may be left to a part of the way:
Kynkaanniemi et al., "Applying Guidance in a Limited Interval Improves Sample and Distribution
Quality in Diffusion Models" (NeurIPS 2024, arXiv 2404.07724).
"""

from dataclasses import dataclass
from typing import TypeVar

Interval = tuple[float, float]  # alphas, of which the ends belong to it
WHOLE: Interval = (0.0, 1.0)

ArrayT = TypeVar("ArrayT")  # of NumPy or a tensor


@dataclass(frozen=True)
class Guidance:
    """How far the field goes beyond what the network says; each kind doubles its evaluations.

    Attributes:
        label: weight of classifier-free guidance: 1 is none, 0 ignores the label.
        auto: weight of autoguidance: 1 is none.
        interval: of the alphas at which there is autoguidance.
    """

    label: float = 1.0
    auto: float = 1.0
    interval: Interval = WHOLE

    def __post_init__(self) -> None:
        """Takes a list, as files have it, for an interval."""
        object.__setattr__(self, "interval", tuple(self.interval))


UNGUIDED = Guidance()


def guide(better: ArrayT, worse: ArrayT, weight: float) -> ArrayT:
    """The field from what two networks, or one in two ways, say of the same states.

    Args:
        better, worse: outputs of equal shapes.
        weight: with 1 the field is `better`, with 0 `worse`.
    """
    return worse + weight * (better - worse)


def evaluations_per_slope(guidance: float, autoguidance: float = 1.0) -> int:
    """Network evaluations per evaluation of the field: twice as many for each kind of guidance.

    Args:
        guidance: weight of classifier-free guidance; 1 stands for none.
        autoguidance: weight of autoguidance; 1 stands for none.
    """
    return 2 ** sum(weight != 1.0 for weight in (guidance, autoguidance))
