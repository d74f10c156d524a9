"""The moments of feature vectors as a Beam CombineFn: all that a Frechet distance needs."""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

from components.metrics.moments import Moments

_BUFFER = 256  # vectors whose outer products are summed by one matrix product


class _Accumulator:
    """Moments of what was added, but for the vectors that wait in the buffer."""

    def __init__(self) -> None:
        self.moments: Moments | None = None
        self.buffer: list[np.ndarray] = []

    def flush(self) -> None:
        if self.buffer:
            moments = Moments.of(np.stack(self.buffer))
            self.moments = moments if self.moments is None else self.moments + moments
            self.buffer = []


class CombineMoments(beam.CombineFn):
    """(source, vector) pairs to {source: Moments}; the sums are in float64, in any order."""

    def create_accumulator(self) -> dict[str, _Accumulator]:
        """Starts empty."""
        return {}

    def add_input(
        self, accumulator: dict[str, _Accumulator], element: tuple[str, np.ndarray]
    ) -> dict[str, _Accumulator]:
        """Adds one vector, float [d]."""
        source, vector = element
        found = accumulator.setdefault(source, _Accumulator())
        found.buffer.append(vector)
        if len(found.buffer) >= _BUFFER:
            found.flush()
        return accumulator

    def merge_accumulators(
        self, accumulators: Iterable[dict[str, _Accumulator]]
    ) -> dict[str, _Accumulator]:
        """Adds the moments of each source."""
        merged: dict[str, _Accumulator] = {}
        for accumulator in accumulators:
            for source, other in self.compact(accumulator).items():
                found = merged.setdefault(source, _Accumulator())
                found.moments = (
                    other.moments if found.moments is None else found.moments + other.moments
                )
        return merged

    def compact(self, accumulator: dict[str, _Accumulator]) -> dict[str, _Accumulator]:
        """Empties the buffers, before an accumulator travels."""
        for found in accumulator.values():
            found.flush()
        return accumulator

    def extract_output(self, accumulator: dict[str, _Accumulator]) -> dict[str, Moments]:
        """The moments of each source."""
        return {source: found.moments for source, found in self.compact(accumulator).items()}
