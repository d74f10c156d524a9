"""The section `kubeflow` of the configuration: the runner's options and the pipeline's own."""

from pydantic import Field, field_validator

from pipeline.runners.kubeflow.options import Image, KubeflowOptions, MetadataSecret, Name, Volumes


class KubeflowConfig(KubeflowOptions):
    """The pipeline on Kubeflow Pipelines."""

    image: Image = "iadb-tfx:0.1.0"
    metadata_secret: MetadataSecret = "iadb-metadata"
    root: str = Field(
        "/mnt/iadb",
        description="folder on a volume, or gs://bucket/folder, for artifacts, checkpoints and "
        "pushed models",
    )
    volumes: Volumes = Field({"iadb": "/mnt/iadb"})
    service_account: Name = Field("iadb", description="that the pods run as")
    gpu: int = Field(
        1,
        ge=0,
        description="GPUs of each node that computes on them (Trainer, RealFeatures and "
        "SampleEvaluator), unless `nodes` says otherwise",
    )
    train_workers: int = Field(
        1, ge=1, description="pods that share the training; more than 1: a TFJob beside the node"
    )

    @field_validator("root")
    @classmethod
    def _reachable_by_tensorflow(cls, root: str) -> str:
        scheme, separator, _ = root.partition("://")
        if separator and scheme != "gs":
            raise ValueError(
                f"{scheme}:// is no file system of TensorFlow; give gs://bucket/folder or a folder "
                "on a volume that all pods can write (ReadWriteMany)"
            )
        if not separator and not root.startswith("/"):
            raise ValueError("give an absolute folder on a volume, or gs://bucket/folder")
        return root.rstrip("/")
