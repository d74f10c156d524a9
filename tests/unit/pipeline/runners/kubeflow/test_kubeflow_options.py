import pytest
from pydantic import ValidationError

from pipeline.config.pipeline_config import ConfigError, load
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.runners.kubeflow.options import KubeflowOptions


def message(*overrides):
    with pytest.raises(ConfigError) as error:
        load("digits", overrides=overrides)
    return str(error.value)


@pytest.mark.parametrize("root", ["s3://bucket/folder", "minio://bucket/folder"])
def test_a_store_that_tensorflow_cannot_read_is_rejected(root):
    scheme = root.partition("/")[0]
    assert message(f"kubeflow.root={root}") == (
        f"kubeflow.root: got '{root}'; {scheme}// is not supported by TensorFlow; use "
        "gs://bucket/folder, or a folder on a volume that all pods can write to (ReadWriteMany)"
    )


def test_a_relative_folder_is_rejected():
    assert "expected an absolute folder on a volume" in message("kubeflow.root=iadb")


@pytest.mark.parametrize("root", ["/mnt/iadb[2]", "gs://bucket/a*"])
def test_a_root_that_is_read_as_a_pattern_is_rejected(root):
    assert message(f"kubeflow.root='{root}'") == (
        f"kubeflow.root: got '{root}'; * ? [ \\ in a path are read as a pattern"
    )


def test_gpus_for_every_node_are_rejected():
    assert message("kubeflow.default.gpu=4") == (
        "kubeflow.default: gpu=4 would give GPUs to every node, including those that use "
        "none; set kubeflow.gpu for those that do, or kubeflow.nodes.NODE.gpu for one"
    )
    assert load("digits", overrides=["kubeflow.default.gpu=0"]).kubeflow.gpu == 1


@pytest.mark.parametrize(
    "name",
    ["IADB_WEBHOOK", "DATABASE_URL", "GITHUB_PAT", "WANDB_KEY", "DB_PASS", "MYSQL_PWD", "AUTH"],
)
@pytest.mark.parametrize("section", ["default", "nodes.Trainer"])
def test_a_variable_may_be_a_credential_unless_its_name_is_known_or_listed(section, name):
    setting = f"kubeflow.{section}.env={{{name}: x, TZ: UTC}}"
    assert message(setting) == (
        f"kubeflow: {section}.env: {name} may be a credential, which anyone could read in the "
        "package: use `secrets`, with the name of a Secret, or add the name to kubeflow.plain if "
        "it is none"
    )
    options = load("digits", overrides=[setting, f"kubeflow.plain=[{name}]"]).kubeflow
    assert options.of_node("Trainer").env == {name: "x", "TZ": "UTC"}


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
def test_values_that_a_cluster_would_reject_are_rejected_before(key, value):
    with pytest.raises(ValidationError):
        KubeflowConfig.model_validate({"default": {key: value}})


def test_a_nodes_options_update_the_default():
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
