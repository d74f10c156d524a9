from dataclasses import replace
from types import SimpleNamespace

import pytest

from components.image_example_gen import names as example_names
from components.image_trainer import names as trainer_names
from pipeline.config.pipeline_config import load
from pipeline.estimate.disk import (
    GRAPH_BYTES,
    MODEL_BYTES,
    NETWORK_BYTES,
    OTHER_BYTES,
    SEARCH_BYTES,
    DiskNeed,
    disk_need,
    free_bytes,
    require_space,
    size,
    student_need,
)
from pipeline.estimate.weights import count_weights
from pipeline.workspace import Workspace, WorkspaceError
from trainer.common import exit_codes
from trainer.light.network_file import MAX_WEIGHTS

NEED = DiskNeed(
    examples=900_000_000,
    converted=900_000_000,
    features=1_000,
    training=2_000,
    models=3_000,
    student=4_000,
)


def test_examples_are_there_twice_while_they_are_converted():
    assert NEED.peak == 1_800_000_000 + OTHER_BYTES


def test_what_comes_later_counts_where_it_is_more():
    assert DiskNeed(10, 10, 20, 30, 40, 50).peak == 150 + OTHER_BYTES


def test_what_is_cached_needs_nothing():
    cached = {example_names.NODE, trainer_names.NODE}
    assert NEED.without(cached) == DiskNeed(0, 0, 1_000, 0, 0, 4_000)
    assert NEED.without(set()) == NEED
    assert NEED.without({*cached, trainer_names.STUDENT}).student == 0


def test_the_most_that_images_can_take_is_more_than_what_they_take():
    config = load("fashion_mnist")
    most, measured = disk_need(config, 1000), disk_need(config, 1000, example_bytes=1200)
    assert most.examples > measured.examples == 1_200_000
    assert most.models == measured.models


def test_a_student_takes_as_much_as_its_teacher():
    alone = disk_need(load("digits"), 1000, example_bytes=400)
    both = disk_need(load("digits", overrides=["distill.enabled=true"]), 1000, example_bytes=400)
    assert both.student == alone.training + alone.models
    assert replace(both, student=0) == alone


def test_a_student_of_a_model_that_is_there_takes_no_examples_and_no_second_teacher():
    overrides = ["distill.enabled=true"]
    alone = disk_need(load("digits"), 1000, example_bytes=400)
    need = student_need(load("digits", overrides=overrides), 1000, example_bytes=400)
    assert (need.examples, need.converted, need.training, need.models) == (0, 0, 0, 0)
    assert need.features == alone.features
    assert need.student == alone.training + alone.models


@pytest.mark.parametrize(("optimizer", "share"), [("adam", 1.0), ("adamw", 1.0), ("muon", 0.8)])
def test_the_checkpoints_of_muon_have_one_moment_less(optimizer, share):
    by_adam, by_it = (
        disk_need(load("digits", overrides=[f"train.optimizer={name}"]), 1000).training
        for name in ("adam", optimizer)
    )
    assert by_it == share * by_adam


def test_only_networks_that_are_converted_take_space_as_onnx():
    small, large = (load("digits", overrides=[f"model.channels=[{c},{c}]"]) for c in (160, 256))
    weights = [count_weights(config.model, 1) for config in (small, large)]
    assert weights[0] < MAX_WEIGHTS < weights[1]
    per_weight = [
        (disk_need(config, 1000).models - GRAPH_BYTES) / count
        for config, count in zip((small, large), weights, strict=True)
    ]
    assert per_weight == [MODEL_BYTES + NETWORK_BYTES, MODEL_BYTES]


def test_of_the_smaller_of_images_and_sources_so_many_are_compared():
    config = load("digits", overrides=["evaluate.samples=10000", "data.eval_percent=20"])

    def compared(images, sources):
        need = disk_need(config, images + sources, example_bytes=400, sources=sources)
        return need.features - images * SEARCH_BYTES

    assert compared(1000, 500) == compared(500, 500) == compared(500, 1000) == compared(500, 0)
    assert compared(1000, 1000) == 2 * compared(1000, 500)


def test_a_run_that_cannot_do_is_refused_in_one_line(tmp_path):
    workspace = Workspace(tmp_path)
    require_space(NEED, NEED.peak, 5, workspace)
    with pytest.raises(WorkspaceError) as refused:
        require_space(NEED, NEED.peak - 1, 90_000, workspace)
    assert refused.value.exit_code == exit_codes.WORKSPACE
    assert str(refused.value) == (
        f"workspace {tmp_path}: 1.8 GB are free on its disk, and this run needs about 1.8 GB "
        "(90,000 images as examples, twice while they are converted, and checkpoints, models and "
        "features): free some space, lower data.resolution, or choose another disk with "
        "--workspace"
    )


def test_the_disk_of_a_workspace_is_known_before_it_exists(tmp_path):
    assert free_bytes(Workspace(tmp_path / "not" / "yet")) > 0


def test_a_disk_that_does_not_know_its_size_is_no_limit(tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: SimpleNamespace(total=0, free=0))
    assert free_bytes(Workspace(tmp_path)) > 10**15


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (464, "464 B"),
        (1_550, "1.6 kB"),
        (98_400_000, "98 MB"),
        (2_048_000_000_000, "2,048 GB"),
    ],
)
def test_a_number_of_bytes_has_a_unit(count, text):
    assert size(count) == text


def test_a_model_that_draws_with_its_guide_takes_the_disk_of_both():
    alone = disk_need(load("digits"), 1000, example_bytes=400)
    both = disk_need(load("digits", overrides=["sample.autoguidance=2"]), 1000, example_bytes=400)
    assert 1.4 * alone.models < both.models < 2 * alone.models
    assert both.training == alone.training
