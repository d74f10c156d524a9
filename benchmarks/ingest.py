"""ImageExampleGen against a plain single-process Pillow loop over the same files.

Each size runs in a separate process. The rate is that of the files between the smaller and the
larger size, which excludes fixed costs (imports, start of Beam). Both sides decode, resize and
encode in the same way; ours also checks, hashes, measures, shuffles and writes tf.Examples.
"""

import io
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.measure import Figure, python
from components.image_example_gen.image_decode import DRAFT_MARGIN

SMALL, LARGE, HUGE = 1_000, 5_000, 20_000  # files
SIDE, RESOLUTION = 256, 64  # pixels of files and of examples
ROUNDS = 2  # both sides alternate; the best time of each counts


def figures() -> Iterator[Figure]:
    """Makes the files, then measures both sides."""
    with tempfile.TemporaryDirectory() as folder:
        folders = {size: write_jpegs(Path(folder) / str(size), size) for size in (SMALL, LARGE)}
        seconds: dict[tuple[str, int], float] = {}
        peaks = {}
        for round_ in range(ROUNDS):
            for size, images in folders.items():
                for side in ("pillow", "ours"):
                    out = f"{folder}/{side}{size}-{round_}"
                    process = python("benchmarks.ingest", side, images, out)
                    key = (side, size)
                    seconds[key] = min(float(process.stdout), seconds.get(key, float("inf")))
                    peaks[key] = process.peak_mib
        rate = {
            side: (LARGE - SMALL) / (seconds[side, LARGE] - seconds[side, SMALL])
            for side in ("pillow", "ours")
        }
        ratio = rate["ours"] / rate["pillow"]
        yield Figure("ingest: plain Pillow loop, one process", rate["pillow"], "images/s")
        yield Figure("ingest: ImageExampleGen, marginal", rate["ours"], "images/s")
        yield Figure("ingest: ratio", ratio, "", "at least 0.5", ratio >= 0.5)
        yield Figure(f"ingest: {LARGE:,} images in total", seconds["ours", LARGE], "s")
        yield Figure(f"ingest: peak memory, {LARGE:,} images", peaks["ours", LARGE], "MiB")
        images = write_jpegs(Path(folder) / str(HUGE), HUGE)
        huge = python("benchmarks.ingest", "ours", images, f"{folder}/huge")
        yield Figure(f"ingest: peak memory, {HUGE:,} images", huge.peak_mib, "MiB")


def write_jpegs(folder: Path, count: int) -> str:
    """Writes different JPEGs of smooth random shapes with some grain."""
    folder.mkdir()
    rng = np.random.default_rng(0)
    grain = rng.normal(0, 8, (SIDE, SIDE, 3))
    for index in range(count):
        coarse = Image.fromarray(rng.integers(0, 256, (12, 12, 3), np.uint8))
        pixels = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC)) + grain
        image = Image.fromarray(pixels.clip(0, 255).astype(np.uint8))
        image.save(folder / f"{index:05}.jpg", quality=90)
    return str(folder)


def _pillow(images: str, out: str) -> None:
    """A plain loop, which appends the PNG files to one file."""
    size = (RESOLUTION, RESOLUTION)
    with Path(out).open("wb") as file:
        for path in sorted(Path(images).iterdir()):
            with Image.open(path) as image:
                image.draft("RGB", (DRAFT_MARGIN * RESOLUTION, DRAFT_MARGIN * RESOLUTION))
                small = image.convert("RGB").resize(
                    size, Image.Resampling.BICUBIC, reducing_gap=3.0
                )
            png = io.BytesIO()
            small.save(png, "PNG")
            file.write(png.getvalue())


def _ours(images: str, out: str) -> None:
    """The executor of ImageExampleGen on the in-memory runner."""
    from tfx.dsl.components.base.base_beam_executor import BaseBeamExecutor
    from tfx.types.standard_artifacts import Examples

    from components.image_example_gen.executor import Executor
    from components.image_example_gen.options import ImageOptions
    from pipeline.config.sections import BeamConfig

    artifact = Examples()
    artifact.uri = out
    Path(out).mkdir()
    context = BaseBeamExecutor.Context(BeamConfig().arguments("ImageExampleGen"), tmp_dir=out)
    Executor(context).Do(
        {},
        {"examples": [artifact]},
        {
            "input_base": images,
            "holdout": "",
            "window": '[[0, ""]]',
            "image_options": ImageOptions(resolution=RESOLUTION).model_dump_json(),
        },
    )


if __name__ == "__main__":
    side, *arguments = sys.argv[1:]
    started = time.monotonic()
    {"pillow": _pillow, "ours": _ours}[side](*arguments)
    print(time.monotonic() - started)
