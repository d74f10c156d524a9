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


@pytest.fixture
def flat(tmp_path_factory, folder):
    """Sources of the emoji in `folder`, of another size, each with a color of its own."""
    sources = tmp_path_factory.mktemp("flat")
    for number, path in enumerate(sorted(folder.glob("*.webp"))):
        image = Image.new("RGBA", (20, 20), (0, 8 * number, 0, 255))
        image.save(sources / f"{path.stem}.png")
    return sources


def test_pairs_have_the_split_of_their_images_and_the_sources_of_their_names(folder, flat):
    parts = datasets.split_pairs(folder, flat, 16)
    alone = datasets.split_by_group(folder, 16)
    names = [path.stem for path in sorted(folder.glob("*.webp"))]
    for part, images in zip(parts, alone, strict=True):
        np.testing.assert_array_equal(part.images, images)
        assert part.sources.shape == part.images.shape
        for source, image in zip(part.sources, part.images, strict=True):
            base = names[source[0, 0, 1] // 8].partition("-")[0]
            assert image[0, 0, 0] == pytest.approx(20 * BASES.index(base), abs=1)


def test_files_without_a_partner_of_the_same_aspect_are_left_out(folder, flat):
    count = len(BASES) * len(TONES)
    (flat / "2764.png").unlink()
    Image.new("RGB", (20, 40)).save(flat / "23.png")
    Image.new("RGB", (20, 20)).save(flat / "1f999.png")
    parts = datasets.split_pairs(folder, flat, 16)
    assert sum(len(part.images) for part in parts) == count - 2


def test_transparent_pixels_are_white(tmp_path):
    for base in BASES:
        Image.new("RGBA", (40, 40), (0, 0, 0, 0)).save(tmp_path / f"{base}.webp", lossless=True)
    assert all((part == 255).all() for part in datasets.split_by_group(tmp_path, 16))


def test_a_missing_tarball_is_an_error_that_a_benchmark_skips(monkeypatch, tmp_path):
    monkeypatch.setenv("EMOJI", str(tmp_path / "missing.tgz"))
    with pytest.raises(DataError, match=r"missing\.tgz"):
        datasets.load("emoji32")
    with pytest.raises(DataError, match=r"missing\.tgz"):
        datasets.load_flat_to_3d(32)


def test_digits_are_split_and_mixed():
    train, held_out = datasets.load("digits")
    assert (len(train), len(held_out)) == (1437, 360)
    assert train.shape[1:] == (8, 8, 1)
