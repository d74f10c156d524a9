"""The power spectra of all sources beside that of real images: blur and artifacts as a curve."""

import json

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems
from tfx.dsl.io import fileio

from components.metrics.arrays import MetricError
from components.metrics.image_statistics import spectrum_ratio
from components.sample_evaluator import names, sources

_COMPARED = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
_DIGITS = 6  # that do not depend on the order of the images


class WriteSpectra(beam.PTransform):
    """Writes the power of each source relative to that of held-out images, by frequency."""

    def __init__(self, output: str) -> None:
        """Describes the file.

        Args:
            output: folder of the evaluation.
        """
        super().__init__()
        self._output = output

    def expand(self, features: beam.PCollection) -> beam.PCollection:
        """From the ImageFeatures of all sources."""
        return (
            features
            | "Spectrum" >> beam.Map(lambda image: (image.source, image.statistics.spectrum))
            | "BySource" >> beam.GroupByKey()
            | "Stack" >> beam.MapTuple(lambda source, spectra: (source, np.stack(list(spectra))))
            | "AllSpectra" >> beam.combiners.ToDict().without_defaults()
            | "WriteSpectra" >> beam.Map(_write, self._output)
        )


def _write(spectra: dict[str, np.ndarray], output: str) -> None:
    real = spectra.get(sources.REAL)
    if real is None:
        return
    found: dict[str, list[float]] = {"frequencies": list(range(1, real.shape[1] + 1))}
    for source in _COMPARED:
        if source in spectra:
            try:
                ratio = spectrum_ratio(real, spectra[source])
            except MetricError:  # a single image
                continue
            found[source] = [float(f"{value:.{_DIGITS}g}") for value in ratio]
    with FileSystems.create(f"{output}/{names.SPECTRA_JSON}", "application/json") as file:
        file.write(json.dumps(found).encode())


def load_spectra(output: str) -> dict[str, list[float]] | None:
    """Reads what `WriteSpectra` wrote: by source, and the frequencies; None if there is nothing."""
    path = f"{output}/{names.SPECTRA_JSON}"
    if not fileio.exists(path):
        return None
    with fileio.open(path) as file:
        return json.load(file)
