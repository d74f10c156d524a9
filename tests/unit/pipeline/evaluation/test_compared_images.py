"""What an evaluation says of the images that it compares, by real folders of images."""

import shutil

import apache_beam as beam
import numpy as np
import pytest
from PIL import Image

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import ImageOptions
from components.sample_evaluator.options import EvaluateOptions
from pipeline.evaluation.compared_images import ComparedImages
from pipeline.evaluation.division import Division
from pipeline.evaluation.inputs import Inputs, Judged

PICTURES = ImageOptions(resolution=16, channels=1)


def save(folder, seeds):
    """Writes pictures, of which equal numbers give equal ones, and numbers in tens similar ones."""
    folder.mkdir()
    for seed in seeds:
        blocks = np.random.default_rng(seed // 10).integers(0, 256, (8, 8), np.uint8)
        pixels = np.clip(np.kron(blocks, np.ones((4, 4))) + seed % 10, 0, 255)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{seed}.png")


def described(place, division, **folders):
    inputs = Inputs(Judged(place / "other", False), None, **folders)
    images = ComparedImages(inputs, division, paired=False)
    converted = place / "converted"
    converted.mkdir()
    reports = images.convert(lambda: beam.Pipeline(argv=[]), PICTURES, converted)
    options = EvaluateOptions(samples=20).model_copy(update={"min_samples": 10})
    images.check_counts(reports, options)
    return "\n".join(images.describe(reports, options))


@pytest.fixture
def place(tmp_path):
    save(tmp_path / "other", range(100, 400, 10))
    return tmp_path


def test_training_images_that_are_compared_with_are_named(place):
    save(place / "real", range(1000, 1300, 10))
    save(place / "train", range(1200, 1600, 10))
    said = described(place, None, real=place / "real", training=place / "train")
    assert (
        f"warning: 10 images in {place / 'train'} are also in {place / 'real'}: a model that was "
        "trained on them seems better than it is"
    ) in said


def test_real_images_that_are_nearly_all_training_images_are_rejected_at_once(place):
    save(place / "real", range(1000, 1300, 10))
    save(place / "train", range(1090, 1600, 10))
    with pytest.raises(ImageDataError) as error:
        described(place, None, real=place / "real", training=place / "train")
    assert str(error.value) == (
        f"{place / 'real'}: 21 of 30 images are also in {place / 'train'}, so that fewer than 10 "
        "of 20 that are compared would be new; leave --train out to take a part of --real in its "
        "place, or name other images"
    )


def test_groups_that_are_made_anew_are_warned_of(place):
    save(place / "real", [seed + more for seed in range(1000, 1400, 10) for more in (0, 3)])
    by_training = Division({"eval_percent": 50}, "", by_training=True, line="")
    said = described(place, by_training, real=place / "real", training=None)
    assert "warning: 40 groups of near-duplicates were made anew; where the training" in said
    assert "data.near_duplicates=off" not in said


def test_copies_that_count_several_times_are_named(place):
    save(place / "real", range(1000, 1300, 10))
    save(place / "train", range(1400, 1600, 10))
    for copy in range(12):
        shutil.copy(place / "train" / "1400.png", place / "train" / f"copy{copy}.png")
        shutil.copy(place / "other" / "100.png", place / "other" / f"copy{copy}.png")
    said = described(place, None, real=place / "real", training=place / "train")
    assert said.count("duplicates") == 2
    assert (
        f"{place / 'train'}: 12 of 32 images are duplicates of the 20 different images, some of "
        "which so count several times"
    ) in said


def test_pictures_that_are_not_read_are_named(place):
    save(place / "real", range(1000, 1300, 10))
    save(place / "train", range(1400, 1600, 10))
    (place / "other" / "more.heic").touch()
    said = described(place, None, real=place / "real", training=place / "train")
    assert f"{place / 'other'}: not read: 1 .heic; convert them to JPEG or PNG" in said
