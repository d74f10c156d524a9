"""Small image files with known pixels."""

import functools
import json
import os
import tempfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tfx.types import standard_artifacts

from components.image_example_gen.executor import Executor
from components.image_example_gen.options import ImageOptions
from pipeline.config.sections import BeamConfig

NOBODY = 65534


def make_noise(seed: int, width: int = 12, height: int = 12) -> Image.Image:
    """Makes an RGB image of noise, different for each seed."""
    rng = np.random.default_rng(seed)
    return Image.fromarray(rng.integers(0, 256, (height, width, 3), dtype=np.uint8))


def write_forty(folder: Path) -> Path:
    """Writes forty different PNGs of 12 x 12 pixels in two class folders."""
    for seed in range(40):
        path = folder / ("cats" if seed % 2 else "dogs") / f"{seed:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        make_noise(seed).save(path)
    return folder


@pytest.fixture(scope="session")
def noise() -> Callable[..., Image.Image]:
    """The function make_noise."""
    return make_noise


@pytest.fixture(scope="session")
def photograph() -> Callable[[int, int], Image.Image]:
    """A function: width, height -> an RGB image with a photograph's spectrum and hard edges."""

    @functools.cache
    def make(width: int, height: int) -> Image.Image:
        rng = np.random.default_rng(width)
        frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
        frequency[0, 0] = 1
        waves = rng.normal(size=(2, 3, *frequency.shape))
        layers = np.fft.irfft2((waves[0] + 1j * waves[1]) / frequency, s=(height, width))
        layers *= np.array([45, 15, 15])[:, None, None] / layers.std((1, 2), keepdims=True)
        light, *tints = layers
        pixels = 120 + np.stack(
            [light + tints[0], light - tints[0] - tints[1], light + tints[1]], -1
        )
        for _ in range(20):
            x, y = rng.integers(0, (width, height))
            reach = rng.integers(2, min(width, height) // 6)
            pixels[max(0, y - reach) : y + reach, x : x + reach] += rng.uniform(-120, 120, 3)
        return Image.fromarray(pixels.clip(0, 255).astype(np.uint8))

    return make


@pytest.fixture
def image_folder(tmp_path) -> Path:
    """A folder of forty images that the test may change."""
    return write_forty(tmp_path / "images")


@pytest.fixture(scope="module")
def forty(tmp_path_factory, run_executor) -> tuple[Path, standard_artifacts.Examples]:
    """A folder of forty images and its examples; tests must not change them."""
    folder = write_forty(tmp_path_factory.mktemp("forty"))
    return folder, run_executor(folder, resolution=12)


@pytest.fixture
def bomb() -> bytes:
    """A PNG of a few hundred bytes whose header declares 40,000 x 40,000 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        checksum = zlib.crc32(kind + data).to_bytes(4, "big")
        return len(data).to_bytes(4, "big") + kind + data + checksum

    side = (40_000).to_bytes(4, "big")
    header = chunk(b"IHDR", side + side + bytes([8, 2, 0, 0, 0]))
    body = chunk(b"IDAT", zlib.compress(bytes(100_000)))
    return b"\x89PNG\r\n\x1a\n" + header + body + chunk(b"IEND", b"")


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A temporary folder that every user may read, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


@pytest.fixture
def unprivileged():
    """A context in which file permissions apply to this process even if tests run as root."""

    @contextmanager
    def drop():
        user = os.geteuid()
        if user == 0:
            os.seteuid(NOBODY)
        try:
            yield
        finally:
            os.seteuid(user)

    return drop


@pytest.fixture(scope="module")
def run_executor(tmp_path_factory) -> Callable[..., standard_artifacts.Examples]:
    """A function: folder, Beam's arguments, options -> the artifact that the executor wrote.

    With `spans` it reads the folders span-1, span-2 and so on, otherwise the whole folder. `uri` is
    where to write; the artifacts beside it are earlier ones.
    """

    def run(
        folder: Path,
        *beam_args: str,
        spans: Sequence[int] = (),
        holdout: str = "",
        source: str = "",
        holdout_source: str = "",
        unpaired_source: str = "",
        uri: Path | None = None,
        code: str = "code",
        **options,
    ) -> standard_artifacts.Examples:
        artifact = standard_artifacts.Examples()
        artifact.uri = str(uri or tmp_path_factory.mktemp("examples"))
        beam_pipeline_args = [*BeamConfig().arguments("ImageExampleGen"), *beam_args]
        executor = Executor(Executor.Context(beam_pipeline_args=beam_pipeline_args))
        executor.Do(
            {},
            {"examples": [artifact]},
            {
                "input_base": str(folder),
                "holdout": holdout,
                "source": source,
                "holdout_source": holdout_source,
                "unpaired_source": unpaired_source,
                "window": json.dumps([[n, f"span-{n}"] for n in spans] or [[0, ""]]),
                "source_hash": code,
                "image_options": ImageOptions(**{"min_size": 1, **options}).model_dump_json(),
            },
        )
        return artifact

    return run
