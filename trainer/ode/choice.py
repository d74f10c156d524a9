"""How the ODE of a model is solved: as it was exported, or as a caller chooses."""

from dataclasses import dataclass, replace

from trainer.common import exit_codes
from trainer.common.text import printable, shorten
from trainer.ode.guidance import evaluations_per_slope
from trainer.ode.methods import SOLVERS

MAX_GUIDANCE = 1000  # beyond any use, and far from what float32 cannot hold


class ChoiceError(ValueError):
    """There is no such solver or guidance; the message is one line."""

    exit_code = exit_codes.USAGE


@dataclass(frozen=True)
class Choice:
    """A solver and the guidance.

    Attributes:
        solver: a name in SOLVERS.
        guidance: weight of classifier-free guidance, d = d_none + guidance (d_label - d_none).
        grid: a name in GRIDS, which callers do not choose.
    """

    solver: str
    guidance: float
    grid: str = "uniform"

    @property
    def cost(self) -> int:
        """Network evaluations per step."""
        return SOLVERS[self.solver].nfe_per_step * evaluations_per_slope(self.guidance)

    def but(
        self, solver: str | None, guidance: float | None, *, conditional: bool = True
    ) -> "Choice":
        """This, but for what is given.

        Args:
            solver: the name of another solver; None for the same.
            guidance: another weight; None for the same.
            conditional: whether the model takes labels, without which there is no guidance.

        Raises:
            ChoiceError: there is no such solver, the weight is not from 0 to MAX_GUIDANCE, or the
                model takes no labels.
        """
        if solver is not None and solver not in SOLVERS:
            known = ", ".join(SOLVERS)
            raise ChoiceError(f"solver: expected {known}; got {printable(shorten(str(solver)))}")
        if guidance is None:
            guidance = self.guidance
        elif not conditional:
            raise ChoiceError("guidance: the model takes no labels, from which it could guide")
        elif not 0 <= guidance <= MAX_GUIDANCE:  # false for NaN
            raise ChoiceError(f"guidance: expected 0 to {MAX_GUIDANCE}; got {guidance}")
        return replace(self, solver=solver or self.solver, guidance=float(guidance))
