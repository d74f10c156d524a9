"""The section `kubeflow` of the configuration: options of the runner and of this pipeline."""

import re
from typing import Any

from pydantic import Field, field_validator, model_validator

from pipeline.runners.kubeflow.options import (
    Image,
    KubeflowOptions,
    MetadataSecret,
    Name,
    NodeOptions,
    Volumes,
)
from pipeline.workspace import IS_PATTERN, is_pattern
from trainer.common.text import shorten

BUCKET = re.compile(r"gs://[a-z0-9][-a-z0-9._]+[a-z0-9](/|$)")
FOLDER = re.compile(r"/+[^/]")


class KubeflowConfig(KubeflowOptions):
    """The pipeline on Kubeflow Pipelines."""

    image: Image = "localhost/iadb-tfx:0.1.0"
    metadata_secret: MetadataSecret = "iadb-metadata"
    root: str = Field(
        "/mnt/iadb",
        description="folder on a volume, or gs://bucket/folder, for artifacts, checkpoints and "
        "pushed models",
    )
    volumes: Volumes = Field({"iadb": "/mnt/iadb"})
    service_account: Name = Field("iadb", description="Kubernetes service account of the pods")
    gpu: int = Field(
        1,
        ge=0,
        description="GPUs of each node that uses them (Trainer, RealFeatures and SampleEvaluator; "
        "for students Student and StudentEvaluator), unless set in `nodes`",
    )
    train_workers: int = Field(
        1, ge=1, description="pods that share the training; more than 1 run as a TFJob"
    )

    @model_validator(mode="before")
    @classmethod
    def _buckets_need_no_volume(cls, values: Any) -> Any:
        if isinstance(values, dict) and str(values.get("root", "")).startswith("gs://"):
            return {"volumes": {}, **values}
        return values

    @field_validator("default")
    @classmethod
    def _gpus_are_for_nodes_that_use_them(cls, default: NodeOptions) -> NodeOptions:
        if default.gpu:
            raise ValueError(
                f"gpu={default.gpu} would give GPUs to every node, including those that use "
                "none; set kubeflow.gpu for those that do, or kubeflow.nodes.NODE.gpu for one"
            )
        return default

    @field_validator("root")
    @classmethod
    def _reachable_by_tensorflow(cls, root: str) -> str:
        scheme, separator, _ = root.partition("://")
        if separator and scheme != "gs":
            raise ValueError(
                f"{shorten(scheme)}:// is not supported by TensorFlow; use gs://bucket/folder, or "
                "a folder on a volume that all pods can write to (ReadWriteMany)"
            )
        if not (BUCKET if separator else FOLDER).match(root):
            raise ValueError("expected an absolute folder on a volume, or gs://bucket/folder")
        if is_pattern(root):
            raise ValueError(IS_PATTERN)
        return root.rstrip("/")
