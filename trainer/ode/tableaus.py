"""Explicit Runge-Kutta methods as Butcher tableaus, plain numbers for any library of arrays.

Source: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (II.1).
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method.

    Attributes:
        stages: for each stage, the weights of the previous slopes (row i of the matrix a).
        weights: weight of each slope in the step (b).
        nodes: position of each stage within the step, 0 to 1 (c).
        order: order of convergence.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    nodes: tuple[float, ...]
    order: int


TABLEAUS = {
    "euler": Tableau(((),), (1.0,), (0.0,), order=1),
    "midpoint": Tableau(((), (1 / 2,)), (0.0, 1.0), (0.0, 1 / 2), order=2),
    "heun": Tableau(((), (1.0,)), (1 / 2, 1 / 2), (0.0, 1.0), order=2),
    "rk4": Tableau(
        ((), (1 / 2,), (0.0, 1 / 2), (0.0, 0.0, 1.0)),
        (1 / 6, 1 / 3, 1 / 3, 1 / 6),
        (0.0, 1 / 2, 1 / 2, 1.0),
        order=4,
    ),
}
