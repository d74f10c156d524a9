import hashlib

import numpy as np
import pytest

from components.image_example_gen.example import image_example, split_of, with_group
from components.image_example_gen.files import ImageFile


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


@pytest.mark.parametrize("group", ["a" * 64, "f" * 64, "cats", ""])
def test_an_example_with_another_group_differs_in_nothing_else(group):
    def example(group):
        made = image_example(pixels, "a" * 64, label="", path="x.png", group=group)
        return made.SerializeToString(deterministic=True)

    pixels = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    first = example("a" * 64)
    assert with_group(first, group) == example(group)
