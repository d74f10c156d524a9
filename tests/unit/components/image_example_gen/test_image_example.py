import hashlib

import numpy as np
import pytest
import tensorflow as tf

from components.image_example_gen.example import (
    image_example,
    split_of,
    to_row,
    with_group,
)
from components.image_example_gen.files import ImageFile
from components.image_example_gen.image_decode import DecodedImage
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.spans import ImageSource, Span


@pytest.mark.parametrize(
    ("path", "label"),
    [("x.png", ""), ("cats/x.png", "cats"), ("cats/2020/x.png", "cats"), ("å b/x.png", "å b")],
)
def test_the_label_is_the_first_folder(path, label):
    assert ImageFile(path).class_label == label


def test_the_split_depends_only_on_the_sha256_of_the_group():
    for group in map(str, range(1000)):
        bucket = int(hashlib.sha256(group.encode()).hexdigest(), 16) % 100
        assert split_of(group, 20) == ("eval" if bucket < 20 else "train")


@pytest.mark.parametrize("percent", [1, 20, 50])
def test_about_eval_percent_of_the_groups_are_held_out(percent):
    held_out = sum(split_of(str(group), percent) == "eval" for group in range(20_000))
    assert held_out / 200 == pytest.approx(percent, abs=1)


def test_a_larger_eval_percent_only_moves_images_to_eval():
    groups = [str(group) for group in range(1000)]
    small = {group for group in groups if split_of(group, 10) == "eval"}
    assert small < {group for group in groups if split_of(group, 30) == "eval"}


@pytest.mark.parametrize("channels", [1, 3])
def test_equal_pixels_give_equal_hashes_whatever_the_file(channels):
    pixels = np.full((4, 4, channels), 7, np.uint8)
    options = ImageOptions(resolution=4)
    rows = [
        to_row(ImageFile(path, size), DecodedImage(pixels, width, 4), ImageSource(""), options)
        for path, size, width in (("a.png", 10, 4), ("b/c.jpg", 99, 400))
    ]
    assert rows[0].sha256 == rows[1].sha256 == hashlib.sha256(pixels.tobytes()).hexdigest()
    assert rows[0].split == rows[1].split
    assert rows[0].example != rows[1].example


def test_label_and_group_depend_on_the_path_in_the_span():
    options = ImageOptions(resolution=4, group_pattern=r"^(?:cats/)?(person\d)")
    window = (Span(1, "in/span-1"), Span(2, "in/span-2"))
    pixels = np.full((4, 4, 3), 7, np.uint8)
    for number, path, label in ((1, "cats/person3.png", "cats"), (2, "person3.png", "")):
        folder = f"in/span-{number}"
        file = ImageFile(f"{folder}/{path}", span=number, span_folder=folder)
        row = to_row(file, DecodedImage(pixels, 4, 4), ImageSource("", window), options)
        features = tf.train.Example.FromString(row.example).features.feature
        assert features["label"].bytes_list.value == [label.encode()]
        assert features["group"].bytes_list.value == [b"person3"]
        assert features["path"].bytes_list.value == [f"{folder}/{path}".encode()]
        assert features["span"].int64_list.value == [number]


@pytest.mark.parametrize("group", ["a" * 64, "f" * 64, "cats", ""])
def test_an_example_with_another_group_differs_in_nothing_else(group):
    def example(group):
        made = image_example(pixels, "a" * 64, label="", path="x.png", group=group)
        return made.SerializeToString(deterministic=True)

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    first = example("a" * 64)
    assert with_group(first, group) == example(group)
