"""Numbers as words of the report, and what each metric measures in plain words."""

from typing import Any, NamedTuple

from components.metrics import AT_HOLDOUT


class Explained(NamedTuple):
    """A metric in plain words.

    Attributes:
        title: a few words.
        measures: one sentence.
    """

    title: str
    measures: str


_EXPLAINED = {
    "kid": Explained(
        "Likeness of all samples",
        "Whether the samples as a whole have the features of the held-out images; the most careful "
        "of the distances with few images.",
    ),
    "frechet_distance": Explained(
        "Mean and variety",
        "Whether the features have the same means, and vary together as much, as in the held-out "
        "images; blur, grain and missing variety all raise it.",
    ),
    "precision": Explained(
        "Credible samples",
        "The share of the samples that lie among the held-out images: low if samples look like no "
        "real image.",
    ),
    "recall": Explained(
        "Reached images",
        "The share of the held-out images that lie among the samples: low if variety is missing.",
    ),
    "density": Explained(
        "Typical samples",
        "How many held-out images there are around each sample: low if samples are unlike most "
        "real images.",
    ),
    "coverage": Explained(
        "Covered images",
        "The share of the held-out images with a sample nearby: low if kinds of images are "
        "missing, or if few images repeat.",
    ),
    "spectrum_distance": Explained(
        "Sharpness",
        "Whether the samples have as much detail as the held-out images at each scale, from coarse "
        "to fine: blur and grain both raise it.",
    ),
    "color_distance": Explained(
        "Brightness, contrast and color",
        "Whether the samples are on average as bright, as rich in contrast and of the same colors "
        "as the held-out images.",
    ),
    "layout_distance": Explained(
        "Layout",
        "Whether the average sample is light, dark and colored in the same places as the average "
        "held-out image.",
    ),
    "psnr": Explained(
        "Nearness to the image, in pixels",
        "The peak signal-to-noise ratio of each result beside the held-out image that it should "
        "be, in dB; the mean of all possible answers, which is blurred, has the highest.",
    ),
    "ssim": Explained(
        "Structural similarity to the image",
        "Whether edges and textures of each result are where they are in the held-out image.",
    ),
    "feature_distance": Explained(
        "Nearness to the image, in features",
        "The squared distance between the features of each result and of the held-out image: 0 if "
        "they are equal, 1 if they are as far apart as two held-out images.",
    ),
    "consistency": Explained(
        "Consistency with the source",
        "Whether each result, degraded as its image was, is the source again (PSNR, in dB).",
    ),
}

DETAIL_CHANGE = 0.1  # of the power at the finest scales: less is neither blur nor grain


def explain(metric: str) -> Explained | None:
    """What a metric measures, by its name; None for a name that is not known."""
    found = _EXPLAINED.get(metric.removesuffix(AT_HOLDOUT))
    if found and metric.endswith(AT_HOLDOUT):
        return found._replace(title=f"{found.title}, beside data.holdout")
    return found


def number(value: float | None) -> str:
    """Four significant digits."""
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def percent(share: float | None) -> str:
    """A share as a percentage with two significant digits, or all those before the point."""
    if share is None:
        return "–"
    value = 100 * share
    return (f"{value:.0f}%" if abs(value) >= 10 else f"{value:.2g}%").replace("-", "−")


def sharpness(spectrum: dict[str, Any] | None) -> str | None:
    """What the spectrum says about the candidate, as one sentence.

    The finest scales are the upper half of the frequencies. The power there is a mean of ratios,
    in which a single frequency counts little.
    """
    if not spectrum or not spectrum.get("candidate"):
        return None
    limit = spectrum["frequencies"][-1] / 2
    pairs = zip(spectrum["frequencies"], spectrum["candidate"], strict=True)
    finest = [power for frequency, power in pairs if frequency >= limit and power is not None]
    if not finest:
        return None
    power = sum(finest) / len(finest)
    stated = f"{percent(power)} of its detail (power) at the finest scales"
    if power < 1 - DETAIL_CHANGE:
        return f"Blurrier than the data: {stated}."
    if power > 1 + DETAIL_CHANGE:
        return f"More grain or sharper edges than the data: {stated}."
    return f"As sharp as the data: {stated}."
