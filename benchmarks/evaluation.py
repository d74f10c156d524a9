"""Time and memory of `iadb evaluate`, and the share of network evaluation in its time.

Fashion-MNIST at 32x32 with the weights from time_to_quality; random weights cost the same.
"""

import json
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks import datasets
from benchmarks.alternating import Worker
from benchmarks.measure import RESULTS, Figure, Process, iadb

FEW, MANY = 2_000, 10_000  # samples
NB_STEP = 64  # as in the preset fashion_mnist
FEATURES = "random_conv"
LEAST_SHARE, MOST_GROWTH = 80, 20  # percent


def figures() -> Iterator[Figure]:
    """Evaluates the same model with few and with many samples, each in a fresh process."""
    with tempfile.TemporaryDirectory() as folder:
        model = _write_model(f"{folder}/model")
        train, held_out = datasets.load("fashion_mnist")
        data = {"--real": held_out, "--train": train}
        for option, images in data.items():
            _write_images(images[:MANY], Path(folder, option))
        where = [part for option in data for part in (option, f"{folder}/{option}")]
        runs = {}
        for count in (FEW, MANY):
            runs[count] = run = iadb(
                *("evaluate", model, *where, "--output", f"{folder}/{count}"),
                *("--set", f"evaluate.samples={count}"),
                *("--set", f"evaluate.features={FEATURES}"),
                *("--set", "evaluate.bless=always"),
            )
            yield Figure(f"iadb evaluate, {count:,} samples, {FEATURES}", run.seconds, "s")
            share = 100 * _network_seconds(run) / run.seconds
            if count == MANY:
                bar, reached = f"at least {LEAST_SHARE}", share >= LEAST_SHARE
                yield Figure("  share of network evaluation", share, "%", bar, reached)
            else:
                yield Figure("  share of network evaluation", share, "%")
            yield Figure("  peak memory", run.peak_mib, "MiB")
        growth = 100 * (runs[MANY].peak_mib / runs[FEW].peak_mib - 1)
        name = f"growth of the peak memory, {FEW:,} to {MANY:,} samples"
        yield Figure(name, growth, "%", f"within {MOST_GROWTH}", growth <= MOST_GROWTH)


def _write_model(folder: str) -> str:
    worker = Worker("ours.py", json.dumps(datasets.FASHION_NETWORK))
    weights = RESULTS / "fashion_mnist.weights.h5"
    if weights.exists():
        worker.ask("load", weights=str(weights))
    worker.ask("export", folder=folder, nb_step=NB_STEP)
    worker.close()
    return folder


def _write_images(images: np.ndarray, folder: Path) -> None:
    folder.mkdir()
    for i, image in enumerate(images):
        Image.fromarray(image[..., 0]).save(folder / f"{i:05}.png")


def _network_seconds(run: Process) -> float:
    """Parses the seconds of sampling and features from the output of `iadb evaluate`."""
    (line,) = (line for line in run.stdout.splitlines() if line.startswith("Time"))
    return sum(float(seconds) for seconds in re.findall(r"(?:features|sampling) ([\d.]+) s", line))
