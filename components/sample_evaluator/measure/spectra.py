"""The power spectra of all sources beside that of real images: blur and artifacts as a curve."""

from collections.abc import Mapping

from components.images.image_set import ImageSet
from components.metrics.arrays import MetricError
from components.metrics.image_statistics import spectrum_ratio
from components.sample_evaluator import sources

_COMPARED = (sources.CANDIDATE, sources.BASELINE, sources.TRAIN, sources.NOISE)
_DIGITS = 6


def compare_spectra(sets: Mapping[str, ImageSet]) -> dict[str, list[float]]:
    """The power of images relative to that of held-out images, for metrics.json.

    Args:
        sets: images by source, the held-out ones among them.

    Returns:
        The frequencies, in cycles per image, and a ratio for each of them by source, where there is
        more than a single image.
    """
    real = sets[sources.REAL].statistics.spectrum
    found: dict[str, list[float]] = {"frequencies": list(range(1, real.shape[1] + 1))}
    for source in _COMPARED:
        if source in sets:
            try:
                ratio = spectrum_ratio(real, sets[source].statistics.spectrum)
            except MetricError:  # a single image
                continue
            found[source] = [float(f"{value:.{_DIGITS}g}") for value in ratio]
    return found
