import pytest
from pydantic import ValidationError

from pipeline.config.pipeline_config import ConfigError, load
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.runners.kubeflow.options import KubeflowOptions, NodeOptions


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


@pytest.mark.parametrize("root", ["gs://", "gs:///x", "gs://Bucket/x", "gs://b b/x", "/", "//"])
def test_a_root_without_a_folder_or_a_bucket_is_rejected(root):
    assert message(f"kubeflow.root='{root}'") == (
        f"kubeflow.root: got '{root}'; expected an absolute folder on a volume, or "
        "gs://bucket/folder"
    )


@pytest.mark.parametrize("root", ["gs://bucket", "gs://my.bucket_1/a", "/mnt/iadb"])
def test_a_trailing_slash_of_the_root_is_removed(root):
    assert load("digits", overrides=[f"kubeflow.root={root}/"]).kubeflow.root == root


@pytest.mark.parametrize(
    "image",
    ["iadb tfx", "registry.example.com/Team/iadb", "iadb:", "https://host/iadb", "host//iadb", ""],
)
def test_an_image_that_no_machine_can_pull_is_rejected(image):
    assert message(f"kubeflow.image='{image}'") == (
        f"kubeflow.image: got '{image}'; expected a container image such as "
        "registry.example.com/team/iadb-tfx:0.1.0, without spaces and with lower-case letters "
        "before the tag"
    )


@pytest.mark.parametrize(
    "image",
    [
        "iadb",
        "localhost:5000/iadb-tfx:0.1.0-GPU",
        "[::1]:5000/iadb",
        "europe-docker.pkg.dev/project/iadb/iadb__tfx@sha256:" + 64 * "a",
        "registry.example.com/iadb-tfx:1@sha256:" + 64 * "0",
    ],
)
def test_an_image_may_have_a_registry_a_tag_and_a_digest(image):
    assert load("digits", overrides=[f"kubeflow.image='{image}'"]).kubeflow.image == image


@pytest.mark.parametrize("claim", ["my.claim", 64 * "a", "-a", "A"])
@pytest.mark.parametrize("section", ["", "default.", "nodes.Trainer."])
def test_a_claim_whose_name_a_volume_cannot_have_is_rejected(section, claim):
    assert message(f"kubeflow.{section}volumes={{{claim}: /data}}").endswith(
        f": got '{claim}'; expected the name of a claim that Kubeflow Pipelines can mount: at most "
        "63 of a-z, 0-9 and -, with a letter or digit at both ends"
    )


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
        ("secrets", {"KEY": {"secret": "keys", "key": "a b"}}),
        ("secrets", {"KEY": {"secret": "keys", "key": ".."}}),
        ("secrets", {"KEY": {"secret": "keys", "key": 254 * "a"}}),
        ("retries", -1),
        ("tolerations", [{"effect": "Sometimes"}]),
    ],
)
def test_values_that_a_cluster_would_reject_are_rejected_before(key, value):
    with pytest.raises(ValidationError):
        KubeflowConfig.model_validate({"default": {key: value}})


def test_numbers_of_cpus_and_bytes_need_no_quotes():
    options = NodeOptions.model_validate({"cpu": 4, "memory": 8_000_000_000})
    assert (options.cpu, options.memory) == ("4", "8000000000")
    with pytest.raises(ValidationError):  # YAML makes 3.1 of 3.10
        NodeOptions.model_validate({"env": {"PYTHON_VERSION": 3.10}})
    assert NodeOptions(cpu=0.5).cpu == "0.5"


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
