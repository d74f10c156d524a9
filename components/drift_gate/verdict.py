"""The verdict on new images: differences, a one-line summary, and the next reference."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.drift_gate.comparison import Difference, compare
from components.drift_gate.options import DriftOptions
from components.drift_gate.sample import Sample
from components.metrics.arrays import MetricError

MIN_IMAGES = 20  # of each side; fewer are not compared


@dataclass(frozen=True)
class DriftResult:
    """The result of a comparison.

    Attributes:
        differences: one per number compared; empty without a comparison.
        summary: one line.
        reference: the sample to compare the next images with; None if there are no images yet.
    """

    differences: tuple[Difference, ...]
    summary: str
    reference: Sample | None

    @property
    def drifted(self) -> bool:
        """Whether any difference exceeds its limit."""
        return any(difference.drifted for difference in self.differences)

    def to_json(self) -> Mapping[str, Any]:
        """The content of verdict.json."""
        differences = [{**asdict(d), "drifted": d.drifted} for d in self.differences]
        return {"drifted": self.drifted, "summary": self.summary, "differences": differences}


def judge(newest: Sample | None, reference: Sample | None, options: DriftOptions) -> DriftResult:
    """Compares new images with earlier ones.

    The next reference is a random sample of all images since the last drift, so that slow changes
    are found although no day differs from the one before. After a drift the new images alone are
    the reference, or an accepted drift would be reported every day.

    Args:
        newest: sample of the new images; None if there are none.
        reference: sample of the images accepted before; None if there are none.
        options: the limits.
    """
    if newest is None:
        return DriftResult((), "not compared: no new images", reference)
    if reference is None:
        return DriftResult((), "not compared: no earlier images", newest)
    if newest.space != reference.space:
        why = "the earlier images have another size, or other features or sources"
        return DriftResult((), f"not compared: {why}", newest)
    together = reference.merged(newest, options.images)
    sides = f"{len(newest):,} new images against {len(reference):,} earlier ones"
    if min(len(newest), len(reference)) < MIN_IMAGES:
        return DriftResult(
            (), f"not compared: {sides}, at least {MIN_IMAGES} each required", together
        )
    try:
        differences = tuple(compare(newest, reference, options))
    except MetricError as error:
        return DriftResult((), f"not compared: {error}", together)
    found = ", ".join(
        f"{d.name} {d.value:.2g} (limit {d.limit:.2g})" for d in differences if d.drifted
    )
    if not found:
        return DriftResult(differences, f"no drift: {sides}", together)
    return DriftResult(differences, f"{found}: {sides}", newest)
