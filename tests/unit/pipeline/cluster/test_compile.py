"""What would fail in a pod, hours later, is said when a pipeline is compiled or submitted."""

import pytest

from components.parameters import ParameterError
from pipeline.cluster.compile import compile_package
from pipeline.cluster.package import check_parameters
from pipeline.config.pipeline_config import ConfigError, load


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["data.folder=/mnt/iadb/pictures"], []),
        (["data.folder=s3://bucket/pictures"], []),
        (
            ["kubeflow.volumes={photos: /data}", "data.folder=/data/pictures"],
            ["kubeflow.root=/mnt/iadb"],
        ),
        (["data.folder=/mnt/iadb-2/pictures"], ["data.folder=/mnt/iadb-2/pictures"]),
        (
            ["kubeflow.root=gs://bucket/root", "data.folder=/mnt/pictures"],
            ["data.folder=/mnt/pictures"],
        ),
        (
            [
                "kubeflow.root=gs://bucket/root",
                "kubeflow.default.volumes={pictures: /mnt/pictures}",
                "data.folder=/mnt/pictures/new",
                "data.holdout=/mnt/held-out",
            ],
            ["data.holdout=/mnt/held-out"],
        ),
    ],
)
def test_folders_of_images_on_no_volume_are_named(settings, named, tmp_path):
    said = []
    compile_package(load("digits", overrides=settings), tmp_path / "package.yaml", said.append)
    phrase = " is on none of kubeflow.volumes: "
    assert [line.partition(phrase)[0] for line in said if phrase in line] == named


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["schedule.retries=2", "kubeflow.default.retries=5"], []),
        (["schedule.retries=5"], ["schedule.retries"]),
        (
            ["schedule.timeout_hours=2", "schedule.min_new_images=100", "notify.textfile=/m.prom"],
            ["schedule.min_new_images, schedule.timeout_hours, notify.textfile"],
        ),
    ],
)
def test_settings_without_effect_on_kubeflow_are_named(settings, named, tmp_path):
    said = []
    compile_package(load("digits", overrides=settings), tmp_path / "package.yaml", said.append)
    assert said == [
        f"no effect on Kubeflow: {keys}; for its runs, set kubeflow.default.retries and "
        "kubeflow.default.timeout_seconds, and see docs/kubeflow.md"
        for keys in named
    ]


def test_two_claims_on_one_path_are_an_error():
    with pytest.raises(ConfigError, match=r"^kubeflow: volumes: two claims on /x; each needs"):
        load(overrides=["kubeflow.volumes={a: /x, b: /x}"])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"steps": 2000, "samples": 500, "span": "3"}, None),
        ({"span": "latest", "data_folder": "/mnt/iadb/new"}, None),
        ({"span": "tomorrow"}, "--param span: span 'tomorrow': expected a number of at most 9"),
        ({"data_folder": ""}, "--param data_folder=: empty; expected a folder or a URI"),
        ({"samples": 5}, "samples: got 5; samples=5 must be at least min_samples=20"),
        ({"steps": 50}, "steps: got 50; warmup_steps=100 must be below steps=50"),
    ],
)
def test_parameters_of_a_run_are_checked_as_its_nodes_would(values, problem):
    config = load("digits", overrides=["train.warmup_steps=100", "data.pattern='{SPAN}'"])
    said = []
    if problem is None:
        check_parameters(config, values, said.append)
        assert said == []
        return
    with pytest.raises(ParameterError) as error:
        check_parameters(config, values, said.append)
    assert str(error.value).startswith(problem)


def test_a_span_of_data_without_spans_is_rejected_before_the_upload():
    with pytest.raises(ParameterError, match=r"^--param span: span 3 was requested, but the pat"):
        check_parameters(load("digits"), {"span": "3"}, print)


def test_a_folder_of_one_run_on_no_volume_is_named():
    said = []
    check_parameters(load("digits"), {"data_folder": "/elsewhere"}, said.append)
    assert said == [
        "--param data_folder=/elsewhere is on none of kubeflow.volumes: the pod sees only what the "
        "container image has there"
    ]
