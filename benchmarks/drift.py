"""Detection rates of DriftGate: daily spans of 60 digits, unchanged and changed.

Needs Fashion-MNIST: Debian's package, or a folder in the environment variable FASHION_MNIST.
"""

import hashlib
import io
import time
from collections.abc import Iterator

import numpy as np
from PIL import Image
from sklearn.datasets import load_digits

from benchmarks import datasets
from benchmarks.measure import Figure
from components.drift_gate.drift import DriftResult, Sample, judge
from components.drift_gate.options import DriftOptions
from components.features import load_extractor
from components.features.options import FeatureOptions
from components.image_example_gen.image_decode import decode
from components.image_example_gen.options import ImageOptions
from data.folder import encode_png

DAY = 60  # images
MONTHS = 7  # each uses nearly all digits once
TRIALS = 20  # per detection
HISTORIES = (60, 540)  # earlier images
FEATURES = FeatureOptions(name="random_conv")
IMAGES = ImageOptions(resolution=8, channels=1)
OPTIONS = DriftOptions()


def figures() -> Iterator[Figure]:
    """Judges days without drift, then days of changed images."""
    upright = np.round(load_digits().images * 255 / 16).astype(np.uint8)[..., None]
    clothes = datasets.load("fashion_mnist")[1][:2000]
    images = describe(upright)
    started = time.monotonic()
    orders = [np.random.RandomState(month).permutation(len(images)) for month in range(MONTHS)]
    days = [verdict for order in orders for verdict in _month(images, order)]
    seconds = (time.monotonic() - started) / len(days)
    rate = 30 * sum(verdict.drifted for verdict in days) / len(days)
    name = f"false alarms in 30 days, from {len(days)} random days"
    yield Figure(name, rate, "", "under 0.05", rate < 0.05)
    yield Figure("one comparison", seconds, "s")
    alarms = sum(verdict.drifted for verdict in _month(images, np.arange(len(images))))
    yield Figure("alarms in a month in the order of the writers", alarms, "")
    changed = {
        "digits rotated by 90 degrees": np.rot90(upright, axes=(1, 2)),
        "inverted digits": 255 - upright,
        "clothes of Fashion-MNIST": clothes,
        "digits at 80% of their brightness": upright // 5 * 4,
    }
    for name, others in changed.items():
        described = describe(others)
        for history in HISTORIES:
            verdicts = [_trial(images, described, history, trial) for trial in range(TRIALS)]
            share = 100 * float(np.mean([verdict.drifted for verdict in verdicts]))
            text = f"detected days of {name}, {history} earlier images"
            yield Figure(text, share, "%", "at least 95", share >= 95)
            by_features = [verdict.differences[-1].drifted for verdict in verdicts]
            yield Figure("  by features", 100 * float(np.mean(by_features)), "%")


def describe(images: np.ndarray) -> Sample:
    """Computes the statistics of images, uint8 [N, H, W, 1], each in its own file."""
    files = [encode_png(Image.fromarray(image[..., 0])) for image in images]
    decoded = [decode(io.BytesIO(file), IMAGES) for file in files]
    pixels = np.stack([image.pixels for image in decoded])
    keys = [hashlib.sha256(b"%d" % number).hexdigest().encode() for number in range(len(files))]
    scalars = [
        (pixel.mean(), pixel.std(), image.source_width, image.source_height, len(file))
        for file, image, pixel in zip(files, decoded, pixels, strict=True)
    ]
    vectors = load_extractor(FEATURES)(pixels)
    return Sample(FEATURES.name, np.array(keys), np.array(scalars, np.float64), vectors)


def _month(images: Sample, order: np.ndarray) -> Iterator[DriftResult]:
    """Yields the verdicts on all days but the first."""
    reference = None
    for start in range(0, len(order) - DAY + 1, DAY):
        verdict = judge(images[order[start : start + DAY]], reference, OPTIONS)
        if reference:
            yield verdict
        reference = verdict.reference


def _trial(images: Sample, others: Sample, history: int, seed: int) -> DriftResult:
    random = np.random.RandomState(seed)
    before = random.choice(len(images), history, replace=False)
    day = random.choice(len(others), DAY, replace=False)
    return judge(others[day], images[before], OPTIONS)
