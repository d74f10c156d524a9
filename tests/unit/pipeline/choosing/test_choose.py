"""What is chosen for pictures that were looked at."""

import json
from dataclasses import replace

import pytest

from pipeline.choosing import choose as choosing
from pipeline.choosing.choose import AUGMENT, CPU_STEPS, FLOAT32_STEPS, choose_network
from pipeline.choosing.machine import Machine
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import load
from pipeline.config.sections import DataConfig

CPU, GPU = Machine(cores=2, gpus=0), Machine(cores=16, gpus=1)
PHOTOS = Pictures(
    files=5000,
    readable=1,
    problem="",
    smallest=100,
    low=110,
    median=128,
    largest=200,
    aspect=1,
    narrow=0.7,
    wide=1.5,
    gray=False,
    transparent=False,
    background="#ffffff",
    classes={},
    sizes=((128, 128),),
)


def choose(pictures, machine):
    return choosing.choose(pictures, machine, DataConfig())


def by_class(sizes, **others):
    return replace(PHOTOS, files=sum(sizes.values()), classes=sizes, **others)


def of_size(side):
    return replace(PHOTOS, smallest=side, low=side, median=side, largest=side)


def resolution(pictures, machine=CPU):
    return choose(pictures, machine)["data.resolution"]


@pytest.mark.parametrize(
    ("side", "machine", "expected"),
    [
        (4000, CPU, 32),
        (4000, GPU, 64),
        (52, GPU, 64),
        (51, GPU, 32),
        (26, CPU, 32),
        (25, CPU, 16),
        (13, CPU, 16),
        (12, CPU, 8),
        (8, CPU, 8),
        (3, CPU, 8),
    ],
)
def test_the_resolution_is_the_largest_that_images_and_machine_allow(side, machine, expected):
    assert resolution(of_size(side), machine) == expected


def test_the_images_of_fashion_mnist_get_the_resolution_of_its_preset():
    assert choose(of_size(28), CPU)["data.resolution"] == load("fashion_mnist").data.resolution[0]


def test_no_resolution_is_chosen_at_which_many_images_would_be_rejected_as_too_small():
    assert resolution(replace(PHOTOS, low=9, smallest=1)) == 16


@pytest.mark.parametrize(
    ("aspects", "machine", "expected"),
    [
        ((1.33, 4 / 3, 1.34), CPU, [24, 32]),
        ((1.33, 4 / 3, 1.34), GPU, [48, 64]),
        ((0.74, 3 / 4, 0.8), GPU, [64, 48]),
        ((1.5, 1.5, 1.5), GPU, [40, 64]),
        ((1.7, 16 / 9, 1.8), CPU, [16, 32]),
        ((3, 10, 100), GPU, [32, 64]),
        ((0.01, 0.1, 0.3), GPU, [64, 32]),
        ((0.75, 4 / 3, 4 / 3), GPU, 64),
        ((1, 1.1, 1.19), GPU, 64),
        ((0.9, 1, 1.1), CPU, 32),
    ],
)
def test_the_aspect_is_that_of_three_in_four_images(aspects, machine, expected):
    narrow, aspect, wide = aspects
    pictures = replace(of_size(4000), narrow=narrow, aspect=aspect, wide=wide)
    assert resolution(pictures, machine) == expected


def test_of_rectangles_only_the_shorter_side_is_limited_by_that_of_the_images():
    pictures = replace(of_size(24), narrow=4 / 3, aspect=4 / 3, wide=4 / 3)
    assert resolution(pictures) == [24, 32]
    assert resolution(of_size(24)) == 16


def test_images_of_3_by_2_are_cropped_to_a_rounded_aspect_without_being_enlarged_more_than_others():
    pictures = replace(of_size(16), narrow=1.5, aspect=1.5, wide=1.5)
    assert resolution(pictures) == [10, 16]  # [20, 32] would enlarge 24x16 by a third
    assert resolution(replace(pictures, median=18)) == [20, 32]


@pytest.mark.parametrize(
    ("pictures", "chosen"),
    [
        (PHOTOS, False),
        (by_class({"cats": 90, "dogs": 40}), True),
        (by_class({"cats": 90, "dogs": 39}), False),
        (by_class({"cats": 900, "dogs": 900, "one": 1}), True),
        (by_class({"cats": 900, "dogs": 900} | {str(i): 1 for i in range(500)}), False),
        (by_class({"cats": 1000}), False),
        (by_class({"train": 1000, "test": 1000}), False),
        (by_class({"2026-01-01": 1000, "2026-01-02": 1000}, spans="{YYYY}-{MM}-{DD}"), False),
        (by_class({"0000": 1000, "0001": 1000}), False),
        (by_class({str(digit): 180 for digit in range(10)}), True),
        (replace(by_class({"cats": 450, "dogs": 450}), files=1001), False),
    ],
)
def test_samples_are_drawn_by_class_where_folders_sort_enough_images(pictures, chosen):
    assert choose(pictures, CPU)["model.conditional"] is chosen


@pytest.mark.parametrize(
    ("files", "percent"),
    [(1, 50), (100, 50), (400, 50), (500, 40), (1000, 20), (1_000_000, 20)],
)
def test_small_folders_hold_out_a_larger_part(files, percent):
    assert choose(replace(PHOTOS, files=files), CPU)["data.eval_percent"] == percent


def test_files_that_cannot_be_read_do_not_count():
    chosen = choose(replace(PHOTOS, files=2000, readable=0.25), CPU)
    assert chosen["data.eval_percent"] == 40


def test_a_folder_of_few_pictures_does_not_make_dates_classes():
    assert not choose(by_class({"2019": 500, "2020": 500, "misc": 1}), CPU)["model.conditional"]


def test_few_pictures_are_trained_on_for_fewer_steps_in_smaller_batches():
    few, many = (choose(replace(PHOTOS, files=files), CPU) for files in (50, 5000))
    assert (few["train.batch_size"], many["train.batch_size"]) == (16, 32)
    assert few["train.steps"] == 1000
    assert many["train.steps"] == 2 * FLOAT32_STEPS[32]


def test_a_cpu_that_multiplies_bfloat16_takes_more_steps():
    quick = replace(CPU, bfloat16=True)
    pictures = replace(of_size(32), files=5000)
    assert choose(pictures, quick)["train.steps"] == 2 * CPU_STEPS[32]
    assert choose(pictures, CPU)["train.steps"] == 2 * FLOAT32_STEPS[32] < 2 * CPU_STEPS[32]
    small = replace(of_size(16), files=5000)
    assert choose(small, quick)["train.steps"] == choose(small, CPU)["train.steps"]


@pytest.mark.parametrize(
    ("files", "flip", "augment"), [(700, True, AUGMENT), (1500, True, 0), (40_000, False, 0)]
)
def test_images_that_are_seen_often_are_augmented(files, flip, augment):
    chosen = choose(replace(PHOTOS, files=files), CPU)
    assert (chosen["train.flip"], chosen["train.augment"]) == (flip, augment)


@pytest.mark.parametrize(
    ("files", "machine", "weight"),
    [
        (3000, CPU, 2.5),
        (450, CPU, 2),  # 3,087 steps
        (100, CPU, 1),  # a short training
        (3000, replace(CPU, cores=1), 2),  # 2,750 steps
        (3000, GPU, 1),  # another network
    ],
)
def test_long_trainings_of_the_network_of_emoji32_are_drawn_with_autoguidance(
    files, machine, weight
):
    pictures = replace(of_size(32), files=files)
    chosen = choose(pictures, machine)
    assert chosen["sample.autoguidance"] == weight
    interval = {1: [0, 1], 2: [0.2, 0.8], 2.5: [0.1, 0.9]}[weight]
    assert chosen["sample.autoguidance_interval"] == interval


@pytest.mark.parametrize("machine", [CPU, GPU], ids=["cpu", "gpu"])
@pytest.mark.parametrize("side", [8, 16, 32, 64])
@pytest.mark.parametrize(("files", "aspect"), [(1, 1), (100, 1.2), (100, 0.01), (100_000, 1.6)])
def test_every_choice_is_a_valid_configuration(side, machine, files, aspect):
    pictures = replace(of_size(side), files=files, narrow=aspect, aspect=aspect, wide=aspect)
    chosen = choose(pictures, machine)
    config = load(overrides=[f"{key}={json.dumps(value)}" for key, value in chosen.items()])
    assert config.evaluate == load().evaluate


@pytest.mark.parametrize(
    ("side", "machine", "preset"),
    [
        (8, GPU, "digits"),
        (32, Machine(cores=2, gpus=0, bfloat16=True), "emoji32"),
        (32, GPU, "fashion_mnist"),
        (64, GPU, "emoji"),
    ],
)
def test_networks_and_learning_rates_are_those_of_the_presets(side, machine, preset):
    chosen, known = choose(replace(of_size(side), files=100_000), machine), load(preset)
    assert chosen["model.patch"] == known.model.patch
    assert chosen["model.prediction"] == known.model.prediction
    assert chosen["model.blocks"] == known.model.blocks
    assert chosen["model.time_embedding"] == known.model.time_embedding
    assert tuple(chosen["model.channels"]) == known.model.channels
    assert tuple(chosen["model.attention"]) == known.model.attention
    assert chosen["train.learning_rate"] == known.train.learning_rate
    assert chosen["train.steps"] == known.train.steps
    if not machine.gpus:
        assert chosen["train.batch_size"] == known.train.batch_size


def test_with_a_gpu_at_32x32_batch_half_life_and_solver_are_the_defaults():
    chosen = choose(replace(of_size(32), files=100_000), GPU)
    assert chosen["train.batch_size"] == 64
    assert not {"train.ema.half_life", "sample.solver", "sample.nb_step"} & chosen.keys()


def test_a_cpu_trains_in_bfloat16_where_it_multiplies_it():
    with_it = replace(CPU, bfloat16=True)
    assert choose(PHOTOS, with_it)["train.precision"] == "auto"
    assert choose(PHOTOS, CPU)["train.precision"] == "float32"
    assert choose(of_size(16), with_it)["train.precision"] == "float32"
    assert choose_network((64, 64), with_it)["train.precision"] == "auto"
    assert choose_network((62, 62), with_it)["train.precision"] == "float32"


@pytest.mark.parametrize("side", [4, 7, 12, 30, 48, 100, 128, 1024])
@pytest.mark.parametrize("other", [5, 64])
@pytest.mark.parametrize("machine", [CPU, GPU], ids=["cpu", "gpu"])
def test_there_is_a_network_for_every_resolution(side, other, machine):
    for sides in ((side, side), (side, other), (other, side)):
        network = choose_network(sides, machine)
        unit = network["model.patch"] * 2 ** (len(network["model.channels"]) - 1)
        assert [length % unit for length in sides] == [0, 0]
        assert len(network["model.channels"]) == len(network["model.attention"])


@pytest.mark.parametrize(
    ("sides", "machine", "patch"), [((32, 24), CPU, 2), ((32, 32), GPU, 1), ((32, 30), CPU, 1)]
)
def test_a_network_with_patches_is_chosen_only_on_a_cpu_for_sides_that_allow_it(
    sides, machine, patch
):
    assert choose_network(sides, machine)["model.patch"] == patch


@pytest.mark.parametrize(
    ("resolution", "machine", "patch", "longer"),
    [
        ((64, 64), CPU, 4, 16),
        ((256, 192), CPU, 16, 16),
        ((96, 96), CPU, 6, 16),
        ((1000, 1000), CPU, 50, 20),
        ((100, 100), CPU, 2, 50),  # cannot be divided by more
        ((64, 64), GPU, 1, 64),
        ((128, 128), GPU, 2, 64),
        ((256, 256), GPU, 4, 64),
        ((192, 256), GPU, 4, 64),
        ((200, 200), GPU, 1, 200),  # nor can these
    ],
)
def test_larger_images_have_larger_patches(resolution, machine, patch, longer):
    """Of as many patches as the tried sizes have, where the sides can be divided by them."""
    largest = 64 if machine.gpus else 32
    network = choose_network(resolution, machine)
    assert network["model.patch"] == patch
    assert max(resolution) // patch == longer
    assert network["model.prediction"] == ("difference" if patch == 1 else "gaussian")
    tried = choose_network((largest, largest), machine)
    assert network["model.channels"] == tried["model.channels"]
    assert network["model.attention"] == tried["model.attention"]


def test_a_batch_has_as_many_images_for_each_worker_without_a_gpu():
    assert choose(PHOTOS, Machine(cores=2, gpus=0, workers=3))["train.batch_size"] == 30


@pytest.mark.parametrize(("gpus", "batch_size"), [(1, 64), (3, 63), (4, 64), (5, 60), (100, 100)])
def test_a_batch_has_as_many_images_for_each_gpu(gpus, batch_size):
    assert choose(PHOTOS, Machine(cores=16, gpus=gpus))["train.batch_size"] == batch_size
