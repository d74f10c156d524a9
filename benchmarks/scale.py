"""Time and peak memory of the nodes that read all images, at 20,000 and 200,000 of them.

Then the ingest of the next day, when as many images as in NEXT_DAY have been added.

One `iadb run` on generated JPEGs of 64x64 per size, with a tiny network and few steps: training
does not depend on the number of images. Memory is the resident set of the run and of its child
processes, sampled while each node runs; it contains what earlier nodes have left, as in any run.
"""

import io
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import Figure

SIZES = (20_000, 200_000)  # images
SIDE = 64  # pixels
NEXT_DAY = 1_000  # images
MAX_NEXT_DAY = 60  # seconds
BASES = 2_000  # images that the others are variations of
PER_FOLDER = 10_000
INGEST = "ImageExampleGen"
NODES = (INGEST, "StatisticsGen", "Transform", "DriftGate", "RealFeatures", "SampleEvaluator")
MAX_GROWTH = 300  # bytes per image
MEMORY = 24 * 1024  # MiB of the machine that a run has to fit
SETTINGS = (
    "model.channels=[8,8,8,8]",
    "model.attention=[false,false,false,false]",
    "model.attention_head_dim=4",
    "model.norm_groups=4",
    "model.blocks=1",
    "data.group_pattern=null",
    "train.steps=12",
    "train.warmup_steps=2",
    "train.batch_size=8",
    "train.precision=float32",
    "sample.nb_step=2",
    "evaluate.samples=200",
    "evaluate.min_samples=20",
)
INTERVAL = 0.1  # seconds between samples of the memory


def figures() -> Iterator[Figure]:
    """Makes the images and runs the pipeline on them, for each size."""
    peaks: dict[tuple[str, int], float] = {}
    for size in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            images = Path(folder, "images")
            write_jpegs(images, size)
            nodes = run(images, Path(folder, "workspace"))
            _write_folder(images / "next", range(size, size + NEXT_DAY))
            next_day = run(images, Path(folder, "workspace"), until=INGEST)
        for node in NODES:
            seconds, peak = nodes[node]
            peaks[node, size] = peak
            yield Figure(f"{node}, {size:,} images", seconds, "s")
            yield Figure("  peak memory", peak, "MiB", f"under {MEMORY:,}", peak < MEMORY)
        seconds, peak = next_day[INGEST]
        yield Figure(
            f"{INGEST}, {NEXT_DAY:,} more images",
            seconds,
            "s",
            f"under {MAX_NEXT_DAY}",
            seconds < MAX_NEXT_DAY,
        )
        yield Figure("  peak memory", peak, "MiB", f"under {MEMORY:,}", peak < MEMORY)
    small, large = SIZES
    growth = (peaks[INGEST, large] - peaks[INGEST, small]) * 2**20 / (large - small)
    bar = f"at most {MAX_GROWTH}"
    yield Figure(f"growth of {INGEST}", growth, "B/image", bar, growth <= MAX_GROWTH)


def write_jpegs(folder: Path, count: int) -> None:
    """Writes different JPEGs, the same ones in every call.

    Each is one of BASES smooth images with another brightness, and its number as black and white
    squares, which no compression makes equal.
    """
    starts = range(0, count, PER_FOLDER)
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(
            _write_folder,
            [folder / f"{start // PER_FOLDER:03}" for start in starts],
            [range(start, min(start + PER_FOLDER, count)) for start in starts],
        ):
            pass


def run(images: Path, workspace: Path, until: str = "") -> dict[str, tuple[float, float]]:
    """Runs the pipeline in a new process; returns the seconds and the peak MiB of each node.

    Args:
        images: the data folder.
        workspace: where the run writes.
        until: the node after which it is stopped; empty for a whole run.

    Raises:
        RuntimeError: it failed; the message ends with its output.
    """
    command = [sys.executable, "-c", "from pipeline.cli import main; main()"]
    command += ["run", "--preset", "emoji", "--data", images, "--workspace", workspace]
    command += [f"--set={each}" for each in SETTINGS]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    samples: list[tuple[float, float]] = []
    sampling = threading.Thread(target=_sample, args=(process, samples))
    sampling.start()
    nodes, output, begun = {}, [], time.monotonic()
    for line in process.stdout:
        output.append(line)
        if line.startswith("✓"):
            _, node, seconds, _ = line.split()
            ended = time.monotonic()
            nodes[node] = (float(seconds), begun, ended)
            begun = ended
            if node == until:
                process.terminate()
    process.wait()
    sampling.join()
    if until not in nodes and "Verdict" not in "".join(output):
        raise RuntimeError(f"the run ended with {process.returncode}: {''.join(output)[-2000:]}")
    peaks = defaultdict(float)
    for node, (_, start, end) in nodes.items():
        peaks[node] = max((mib for when, mib in samples if start <= when <= end), default=0.0)
    return {node: (seconds, peaks[node]) for node, (seconds, *_) in nodes.items()}


def _write_folder(folder: Path, numbers: range) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    bases = [
        np.asarray(Image.fromarray(coarse).resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        for coarse in rng.integers(16, 240, (BASES, 8, 8, 3), np.uint8)
    ]
    grain = rng.integers(0, 16, (SIDE, SIDE, 3), np.uint8)
    for number in numbers:
        pixels = bases[number % BASES] // 16 * 15 + np.roll(grain, number, axis=1)
        bits = [number >> bit & 1 for bit in range(24)]
        marks = np.array(bits, np.uint8).reshape(3, 8).repeat(4, axis=0).repeat(4, axis=1) * 255
        pixels[: marks.shape[0], : marks.shape[1]] = marks[..., None]
        jpeg = io.BytesIO()
        Image.fromarray(pixels).save(jpeg, "JPEG", quality=90)
        (folder / f"{number:07}.jpg").write_bytes(jpeg.getvalue())


def _sample(process: subprocess.Popen, samples: list[tuple[float, float]]) -> None:
    """Appends (time, MiB of the process and its children) until the process ends."""
    while process.poll() is None:
        samples.append((time.monotonic(), _resident_mib(process.pid)))
        time.sleep(INTERVAL)


def _resident_mib(pid: int) -> float:
    """The resident set of a process and its children; 0 for one that has ended."""
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        lists = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/children")]
    except (OSError, ProcessLookupError):
        return 0.0
    children = {int(child) for text in lists for child in text.split()}
    return pages * os.sysconf("SC_PAGE_SIZE") / 2**20 + sum(map(_resident_mib, children))
