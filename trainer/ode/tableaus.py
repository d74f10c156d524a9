"""Explicit Runge-Kutta methods as Butcher tableaus, plain numbers for any library of arrays.

Sources: Hairer, Norsett, Wanner, Solving Ordinary Differential Equations I (II.1, II.4); "bosh3" is
Bogacki and Shampine 3(2) (1989), "dopri5" Dormand and Prince 5(4) (1980).
"""

from dataclasses import dataclass

# Of the step size of those that adapt it:
FIRST_STEP = 0.1  # a tenth of the path; if too long, it costs one retry
SAFETY = 0.9  # aims below the tolerance, so that few steps are retried
SHRINK, GROW = 0.2, 5.0  # limits of the factor between step sizes


@dataclass(frozen=True)
class Tableau:
    """An explicit Runge-Kutta method.

    Attributes:
        stages: for each stage, the weights of the previous slopes (row i of the matrix a).
        weights: weight of each slope in the step (b).
        nodes: position of each stage within the step, 0 to 1 (c).
        order: order of convergence.
        embedded: weights of a second solution, one order lower, whose distance from the first
            estimates the error. The last stage of such a method is the result of the step (first
            same as last), so its last slope is the first one of the next step.
    """

    stages: tuple[tuple[float, ...], ...]
    weights: tuple[float, ...]
    nodes: tuple[float, ...]
    order: int
    embedded: tuple[float, ...] | None = None


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
    "bosh3": Tableau(
        ((), (1 / 2,), (0.0, 3 / 4), (2 / 9, 1 / 3, 4 / 9)),
        (2 / 9, 1 / 3, 4 / 9, 0.0),
        (0.0, 1 / 2, 3 / 4, 1.0),
        order=3,
        embedded=(7 / 24, 1 / 4, 1 / 3, 1 / 8),
    ),
    "dopri5": Tableau(
        (
            (),
            (1 / 5,),
            (3 / 40, 9 / 40),
            (44 / 45, -56 / 15, 32 / 9),
            (19372 / 6561, -25360 / 2187, 64448 / 6561, -212 / 729),
            (9017 / 3168, -355 / 33, 46732 / 5247, 49 / 176, -5103 / 18656),
            (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84),
        ),
        (35 / 384, 0.0, 500 / 1113, 125 / 192, -2187 / 6784, 11 / 84, 0.0),
        (0.0, 1 / 5, 3 / 10, 4 / 5, 8 / 9, 1.0, 1.0),
        order=5,
        embedded=(
            5179 / 57600,
            0.0,
            7571 / 16695,
            393 / 640,
            -92097 / 339200,
            187 / 2100,
            1 / 40,
        ),
    ),
}
