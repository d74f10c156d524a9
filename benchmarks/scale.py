"""Time and memory of the nodes that read all images, at several numbers of them, the largest first.

Then the ingest of the next day, when as many images as in NEXT_DAY have been added.

One `iadb run` on generated JPEGs of 64x64 per size, with a tiny network and few steps: training
does not depend on the number of images. Memory is the resident set of the run and of its child
processes, sampled while each node runs; it contains what earlier nodes have left, as in any run.
Processor time is that of all of them; other than time on the clock, it hardly depends on what else
the machine does. The first node's contains the start of the program.

BENCHMARK_SIZES=10000,100000,1000000 measures a million images, in an hour and with 30 GB of disk.
"""

import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from benchmarks import generated, settings
from benchmarks.measure import Figure
from benchmarks.process_tree import processor_seconds, resident_mib

SIZES = (10_000, 50_000, 200_000)  # images
NEXT_DAY = 1_000  # images
MAX_NEXT_DAY = 60  # seconds
LOOP = 10_000  # images that the plain loop reads
INGEST = "ImageExampleGen"
READERS = (INGEST, "StatisticsGen", "DriftGate", "RealFeatures", "SampleEvaluator")
NODES = (INGEST, "StatisticsGen", "Transform", "DriftGate", "RealFeatures", "Trainer")
NODES += ("SampleEvaluator",)
WHOLE = "whole run"
MAX_GROWTH = 300  # bytes per image
MAX_SLOWDOWN = 1.1  # of an image among many against one among few
MEMORY = 8 * 1024  # MiB that a whole run has to fit
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


@dataclass(frozen=True)
class Cost:
    """What a node, or a whole run, has cost.

    Attributes:
        seconds: time on the clock.
        processor: processor time in seconds.
        peak: largest resident set, in MiB.
    """

    seconds: float
    processor: float
    peak: float


def figures() -> Iterator[Figure]:
    """Makes the images and runs the pipeline on them, for each size."""
    runs: dict[int, dict[str, Cost]] = {}
    for size in reversed(settings.sizes(SIZES)):
        with tempfile.TemporaryDirectory() as folder:
            images, workspace = Path(folder, "images"), Path(folder, "workspace")
            generated.write_jpegs(images, size)
            if not runs:
                yield from _plain_loop(images)
            runs[size] = run(images, workspace)
            for name in (*NODES, WHOLE):
                yield from _costs(f"{name}, {size:,} images", runs[size][name], size)
            peak = runs[size][WHOLE].peak
            yield Figure("  peak memory", peak, "MiB", f"under {MEMORY:,}", peak < MEMORY)
            generated.write_folder(images / "next", range(size, size + NEXT_DAY))
            cost = run(images, workspace, until=INGEST)[INGEST]
            name, bar = f"{INGEST}, {NEXT_DAY:,} images on {size:,}", f"under {MAX_NEXT_DAY}"
            yield Figure(name, cost.seconds, "s", bar, cost.seconds < MAX_NEXT_DAY)
            yield Figure("  processor time", cost.processor, "CPU s")
            yield Figure("  peak memory", cost.peak, "MiB")
    yield from compare(dict(sorted(runs.items())))


def compare(runs: Mapping[int, Mapping[str, Cost]]) -> Iterator[Figure]:
    """What an image costs more, beside what a run costs however few it has.

    Args:
        runs: the costs of the nodes and of the whole, by the number of images, ascending.
    """
    sizes = list(runs)
    if len(sizes) < 2:
        return
    few, many = sizes[0], sizes[-1]
    for name in (*READERS, WHOLE):
        costs = [
            (runs[large][name].processor - runs[small][name].processor) / (large - small)
            for small, large in pairwise(sizes)
        ]
        for (small, large), cost in zip(pairwise(sizes), costs, strict=True):
            yield Figure(f"{name}, per image, {small:,} to {large:,}", cost * 1e3, "CPU ms")
        fixed = runs[few][name].processor - few * costs[0]
        yield Figure(f"{name}, without images", fixed, "CPU s")
        if len(costs) > 1:
            slowdown, bar = costs[-1] / costs[0], f"at most {MAX_SLOWDOWN}"
            yield Figure(f"{name}, slowdown", slowdown, "times", bar, slowdown <= MAX_SLOWDOWN)
    for name in (*NODES, WHOLE):
        growth = (runs[many][name].peak - runs[few][name].peak) * 2**20 / (many - few)
        bar = f"at most {MAX_GROWTH}"
        yield Figure(f"{name}, growth per image", growth, "B", bar, growth <= MAX_GROWTH)


def run(images: Path, workspace: Path, until: str = "") -> dict[str, Cost]:
    """Runs the pipeline in a new process; returns the costs of the nodes and of the whole.

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
    assert process.stdout
    samples = [(time.monotonic(), 0.0, 0.0)]
    sampling = threading.Thread(target=_sample, args=(process, samples))
    sampling.start()
    costs, output, start = {}, [], samples[0]
    for line in process.stdout:
        output.append(line)
        if line.startswith("✓"):
            node, seconds = line.split()[1:3]
            end = time.monotonic(), processor_seconds(process.pid), resident_mib(process.pid)
            costs[node] = Cost(float(seconds), end[1] - start[1], _peak(samples, start, end))
            start = end
            if node == until:
                process.terminate()
    process.wait()
    sampling.join()
    if until not in costs and "Verdict" not in "".join(output):
        raise RuntimeError(f"the run ended with {process.returncode}: {''.join(output)[-2000:]}")
    first, last = samples[0], samples[-1]
    costs[WHOLE] = Cost(last[0] - first[0], last[1], _peak(samples, first, last))
    return costs


def _plain_loop(images: Path) -> Iterator[Figure]:
    files = sorted(images.rglob("*.jpg"))[:LOOP]
    for encode, what in ((False, "decode and hash"), (True, "decode, hash, encode")):
        for processes in (1, 2):
            seconds, processor = generated.pillow_loops(files, processes, encode=encode)
            name = f"Pillow loop, {what}, processes: {processes}"
            yield from _costs(name, Cost(seconds, processor, 0.0), len(files))


def _costs(name: str, cost: Cost, images: int) -> Iterator[Figure]:
    yield Figure(name, images / cost.seconds, "images/s")
    yield Figure("  time", cost.seconds, "s")
    yield Figure("  processor time per image", cost.processor / images * 1e3, "CPU ms")
    if cost.peak:
        yield Figure("  peak memory", cost.peak, "MiB")


def _peak(samples: list, start: tuple, end: tuple) -> float:
    """Largest resident set from start to end, each (time, processor time, MiB) like a sample."""
    within = [mib for when, _, mib in samples if start[0] <= when <= end[0]]
    return max([*within, end[2]])


def _sample(process: subprocess.Popen, samples: list) -> None:
    """Appends samples until the process ends."""
    while process.poll() is None:
        now = time.monotonic(), processor_seconds(process.pid), resident_mib(process.pid)
        if now[1]:  # it has not ended meanwhile
            samples.append(now)
        time.sleep(INTERVAL)
