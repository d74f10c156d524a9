"""Many small JPEGs, generated in two processes, and a plain Pillow loop that reads them."""

import hashlib
import io
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import numpy as np
from PIL import Image

SIDE = 64  # pixels
PER_FOLDER = 10_000


def write_jpegs(folder: Path, count: int) -> None:
    """Writes different JPEGs, the same ones in every call: smooth random shapes with some grain."""
    starts = range(0, count, PER_FOLDER)
    with ProcessPoolExecutor() as pool:
        for _ in pool.map(
            write_folder,
            [folder / f"{start // PER_FOLDER:03}" for start in starts],
            [range(start, min(start + PER_FOLDER, count)) for start in starts],
        ):
            pass


def write_folder(folder: Path, numbers: range) -> None:
    """Writes the JPEGs with these numbers, which are also the names of their files."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(numbers.start)
    grain = rng.integers(0, 16, (SIDE, SIDE, 3), np.uint8)
    for number in numbers:
        coarse = Image.fromarray(rng.integers(16, 240, (8, 8, 3), np.uint8))
        smooth = np.asarray(coarse.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
        pixels = smooth // 16 * 15 + np.roll(grain, number, axis=1)
        jpeg = io.BytesIO()
        Image.fromarray(pixels).save(jpeg, "JPEG", quality=90)
        (folder / f"{number:07}.jpg").write_bytes(jpeg.getvalue())


def pillow_loop(files: list[Path], encode: bool) -> float:
    """Decodes and hashes images one by one, and on request encodes them as PNG, as examples are.

    Returns:
        Its processor time in seconds.
    """
    started = time.process_time()
    for file in files:
        with Image.open(io.BytesIO(file.read_bytes())) as image:
            decoded = image.convert("RGB")
        hashlib.sha256(decoded.tobytes()).digest()
        if encode:
            decoded.save(io.BytesIO(), "PNG")
    return time.process_time() - started


def pillow_loops(files: list[Path], processes: int, *, encode: bool) -> tuple[float, float]:
    """Runs the loop in some processes, each with an equal share of the files.

    Returns:
        Seconds of all together, with the start of the processes, and their processor time.
    """
    started = time.monotonic()
    with ProcessPoolExecutor(processes) as pool:
        shares = [files[start::processes] for start in range(processes)]
        busy = sum(pool.map(pillow_loop, shares, [encode] * processes))
    return time.monotonic() - started, busy
