import pytest
from pydantic import ValidationError

from pipeline.config import ConfigError, load
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.runners.kubeflow.options import KubeflowOptions


def told(*overrides):
    with pytest.raises(ConfigError) as error:
        load("digits", overrides=overrides)
    return str(error.value)


@pytest.mark.parametrize("root", ["s3://bucket/folder", "minio://bucket/folder"])
def test_a_store_that_tensorflow_cannot_read_is_refused(root):
    scheme = root.partition("/")[0]
    assert told(f"kubeflow.root={root}") == (
        f"kubeflow.root: got '{root}'; {scheme}// is no file system of TensorFlow; give "
        "gs://bucket/folder or a folder on a volume that all pods can write (ReadWriteMany)"
    )


def test_a_relative_folder_is_refused():
    assert "give an absolute folder on a volume" in told("kubeflow.root=iadb")


def test_a_credential_in_the_environment_is_refused():
    assert "AWS_SECRET_ACCESS_KEY looks like a credential" in told(
        "kubeflow.nodes.Trainer.env={AWS_SECRET_ACCESS_KEY: x}"
    )


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("memory", "much"),
        ("memory", "1.5Gi"),
        ("cpu", "1.5m"),
        ("tolerations", [{"key": "gpu", "value": "yes"}]),
        ("env", {"WANDB_API_KEY": "x"}),
        ("env", {"AWS_ACCESS_KEY_ID": "x"}),
        ("cpu", "-1"),
        ("gpu", -1),
        ("volumes", {"Claim": "/mnt"}),
        ("volumes", {"claim": "relative"}),
        ("env", {"NO NAME": "x"}),
        ("retries", -1),
        ("tolerations", [{"effect": "Sometimes"}]),
    ],
)
def test_what_a_cluster_would_refuse_is_refused_before(key, value):
    with pytest.raises(ValidationError):
        KubeflowConfig.model_validate({"default": {key: value}})


def test_a_node_has_what_is_set_for_it_and_else_the_default():
    options = KubeflowOptions.model_validate(
        {
            "image": "image",
            "metadata_secret": "metadata",
            "default": {"memory": "4Gi", "retries": 5},
            "nodes": {"Trainer": {"memory": "16Gi", "gpu": 1}},
        }
    )
    trainer, other = options.of_node("Trainer"), options.of_node("Pusher")
    assert (trainer.memory, trainer.retries, trainer.gpu) == ("16Gi", 5, 1)
    assert (other.memory, other.retries, other.gpu) == ("4Gi", 5, 0)
