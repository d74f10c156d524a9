"""The data of the benchmarks is split as the pipeline splits it."""

import numpy as np
import pytest
from PIL import Image

from benchmarks import datasets
from components.image_example_gen.example import split_of
from data.errors import DataError
from trainer import examples

BASES = ("1f44b", "1f44c", "1f600", "1f601", "1f602", "1f603", "1f604", "1f605", "2764", "23")
TONES = ("", "-1f3fb", "-1f3ff")


@pytest.fixture
def folder(tmp_path):
    for number, base in enumerate(BASES):
        for tone in TONES:
            color = (20 * number, 0, 0, 255)
            Image.new("RGBA", (40, 40), color).save(tmp_path / f"{base}{tone}.webp", lossless=True)
    return tmp_path


def test_variants_of_an_emoji_are_in_the_same_split_as_in_the_pipeline(folder):
    parts = datasets.split_by_group(folder, 16)
    found = [sorted({int(image[0, 0, 0]) for image in part}) for part in parts]
    eval_percent = 20
    expected = [
        [20 * i for i, base in enumerate(BASES) if split_of(base, eval_percent) == split]
        for split in (examples.TRAIN, examples.EVAL)
    ]
    assert found == expected
    assert all(expected)
    assert [len(part) for part in parts] == [len(TONES) * len(colors) for colors in expected]
    assert {(part.dtype, part.shape[1:]) for part in parts} == {(np.dtype("uint8"), (16, 16, 3))}


def test_transparent_pixels_are_white(tmp_path):
    for base in BASES:
        Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / f"{base}.webp", lossless=True)
    assert all((part == 255).all() for part in datasets.split_by_group(tmp_path, 16))


def test_a_missing_tarball_is_an_error_that_a_benchmark_skips(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOJI", str(tmp_path / "missing.tgz"))
    with pytest.raises(DataError, match=r"missing\.tgz"):
        datasets.load("emoji32")


def test_digits_are_split_and_mixed():
    train, held_out = datasets.load("digits")
    assert (len(train), len(held_out)) == (1437, 360)
    assert train.shape[1:] == (8, 8, 1)
