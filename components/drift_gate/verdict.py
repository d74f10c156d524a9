"""The verdict on new images: what differs, one line about it, and the next reference."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from components.drift_gate.comparison import Difference, compare
from components.drift_gate.options import DriftOptions
from components.drift_gate.sample import Sample
from components.metrics.arrays import MetricError

MIN_IMAGES = 20  # of either side; fewer are not compared


@dataclass(frozen=True)
class DriftResult:
    """What came of a comparison.

    Attributes:
        differences: of all that was compared; empty where nothing was.
        summary: one line.
        reference: what the next images are compared with; None where there are no images yet.
    """

    differences: tuple[Difference, ...]
    summary: str
    reference: Sample | None

    @property
    def drifted(self) -> bool:
        """Whether anything differs by more than it may."""
        return any(difference.drifted for difference in self.differences)

    def to_json(self) -> Mapping[str, Any]:
        """All that a person may want to know."""
        differences = [{**asdict(d), "drifted": d.drifted} for d in self.differences]
        return {"drifted": self.drifted, "summary": self.summary, "differences": differences}


def judge(newest: Sample | None, reference: Sample | None, options: DriftOptions) -> DriftResult:
    """Compares new images with earlier ones.

    The next reference is a random sample of all images since the last drift: a change so slow that
    no day differs from the day before is seen, since all days before count. After a drift the new
    images alone are the reference, or what was accepted once would be told of every day.

    Args:
        newest: of the new images; None where there are none.
        reference: of the images accepted before; None where there are none.
        options: what is let pass.
    """
    if newest is None:
        return DriftResult((), "not compared: no new images", reference)
    if reference is None:
        return DriftResult((), "not compared: no images before these", newest)
    if newest.space != reference.space:
        why = "the images before had another size or other features"
        return DriftResult((), f"not compared: {why}", newest)
    together = reference.merged(newest, options.images)
    sides = f"{len(newest):,} new images, {len(reference):,} before"
    if min(len(newest), len(reference)) < MIN_IMAGES:
        return DriftResult((), f"not compared: {sides}, of each {MIN_IMAGES} are needed", together)
    try:
        differences = tuple(compare(newest, reference, options))
    except MetricError as error:
        return DriftResult((), f"not compared: {error}", together)
    found = ", ".join(
        f"{d.name} {d.value:.2g} (limit {d.limit:.2g})" for d in differences if d.drifted
    )
    if not found:
        return DriftResult(differences, f"none: {sides}", together)
    return DriftResult(differences, f"{found}: {sides}", newest)
