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


def test_two_claims_on_one_path_are_an_error():
    with pytest.raises(ConfigError, match=r"^kubeflow: volumes: two claims on /x; each needs"):
        load(overrides=["kubeflow.volumes={a: /x, b: /x}"])


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ({"steps": 2000, "samples": 500, "span": "3"}, None),
        ({"samples": 5}, "samples: got 5; samples=5 must be at least min_samples=20"),
        ({"steps": 50}, "steps: got 50; warmup_steps=100 must be below steps=50"),
    ],
)
def test_parameters_of_a_run_are_checked_as_its_nodes_would(values, problem):
    config = load("digits", overrides=["train.warmup_steps=100"])
    if problem is None:
        check_parameters(config, values)
        return
    with pytest.raises(ParameterError) as error:
        check_parameters(config, values)
    assert str(error.value).startswith(problem)
