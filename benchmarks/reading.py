"""Reading shuffled batches in [-1, 1]: ours, webdataset, and torchvision's ImageFolder, in turn.

Ours reads the examples that ImageExampleGen made of JPEGs, by Transform's graph, as the Trainer
does. The others read the same JPEGs, in tars or in folders, with two workers of torch's DataLoader.
All have 64x64 images of three channels and shuffle 10,000 encoded ones, the folder all names.
"""

import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks import generated
from benchmarks.alternating import PEER_PYTHON, Worker, take_turns
from benchmarks.measure import Figure, iadb

IMAGES, BATCH, BATCHES, ROUNDS = 20_000, 64, 300, 5
TARS = 2  # one for each worker of the DataLoader
LEAST_RATE = 8_000  # images/s
SETTINGS = (
    f"data.resolution={generated.SIDE}",
    "data.channels=3",
    "model.channels=[8]",
    "model.attention=[false]",
    "model.norm_groups=4",
    "train.steps=2",
    "train.warmup_steps=1",
    "train.batch_size=2",
    "sample.nb_step=1",
    "evaluate.features=random_conv",
    "evaluate.samples=20",
    "evaluate.min_samples=20",
    "evaluate.bless=always",
)


def figures() -> Iterator[Figure]:
    """Ingests JPEGs, packs them in tars, and lets all three read."""
    with tempfile.TemporaryDirectory() as folder:
        images, tars, workspace = (Path(folder, name) for name in ("images", "tars", "workspace"))
        generated.write_jpegs(images, IMAGES)
        write_tars(images, tars)
        overrides = [f"--set={setting}" for setting in SETTINGS]
        where = ("--data", str(images), "--workspace", str(workspace))
        iadb("run", "--preset", "digits", *where, *overrides)
        peers = {"webdataset": tars, "torch's ImageFolder": images}
        workers = {"ours": Worker("reading_ours.py", str(workspace), str(BATCH))}
        for name, source in peers.items():
            arguments = (str(source), str(BATCH))
            workers[name] = Worker("reading_torch.py", *arguments, python=PEER_PYTHON)
        rounds = take_turns(workers, ROUNDS, "read", batches=BATCHES)
        for worker in workers.values():
            worker.close()
    yield from compare(rounds)


def compare(rounds: dict[str, list[tuple[float, float]]]) -> Iterator[Figure]:
    """Compares ours with the others.

    Args:
        rounds: seconds and processor seconds of reading BATCHES batches, round by round, by reader.
    """
    count = BATCHES * BATCH
    for name, costs in rounds.items():
        seconds, processor = map(median, zip(*costs, strict=True))
        rate = count / seconds
        bar = f"at least {LEAST_RATE:,}" if name == "ours" else ""
        reached = rate >= LEAST_RATE if bar else None
        yield Figure(f"reading: {name}", rate, "images/s", bar, reached)
        yield Figure("  processor time per image", processor / count * 1e3, "CPU ms")
    for name, costs in rounds.items():
        if name != "ours":
            pairs = zip(costs, rounds["ours"], strict=True)
            ratio = median(theirs[0] / ours[0] for theirs, ours in pairs)
            yield Figure(f"  against {name}", ratio, "times", "at least 1.0", ratio >= 1)


def write_tars(images: Path, tars: Path) -> None:
    """Packs the JPEGs below a folder, those of neighboring names in different tars."""
    tars.mkdir()
    files = sorted(images.rglob("*.jpg"))
    for number in range(TARS):
        with tarfile.open(tars / f"{number:03}.tar", "w") as tar:
            for file in files[number::TARS]:
                tar.add(file, file.name)
