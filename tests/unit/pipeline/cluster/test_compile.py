"""Folders of images that no volume brings to a pod are named when a pipeline is compiled."""

import pytest

from pipeline.cluster.compile import compile_package
from pipeline.config import load


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        (["data.folder=/mnt/iadb/pictures"], []),
        (["data.folder=s3://bucket/pictures"], []),
        (["data.folder=/mnt/iadb-2/pictures"], ["data.folder=/mnt/iadb-2/pictures"]),
        (
            ["kubeflow.root=gs://bucket/root", "data.folder=/mnt/pictures"],
            ["data.folder=/mnt/pictures"],
        ),
        (
            [
                "kubeflow.root=gs://bucket/root",
                "kubeflow.nodes={ImageExampleGen: {volumes: {pictures: /mnt/pictures}}}",
                "data.folder=/mnt/pictures/new",
                "data.holdout=/mnt/held-out",
            ],
            ["data.holdout=/mnt/held-out"],
        ),
    ],
)
def test_folders_of_images_on_no_volume_are_named(settings, named, tmp_path, capsys):
    compile_package(load("digits", overrides=settings), tmp_path / "package.yaml")
    said = capsys.readouterr().err.splitlines()
    ending = " is on none of kubeflow.volumes: a pod reads what its image has there"
    assert [line for line in said if line.endswith(ending)] == [name + ending for name in named]
