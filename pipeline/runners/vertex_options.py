"""The section `vertex` of the configuration."""

from typing import Annotated

from pydantic import Field, StringConstraints

from pipeline.runners.kubeflow.options import Image
from trainer.common.options import Options

Bucket = Annotated[
    str, StringConstraints(pattern=r"^gs://[a-z0-9][-a-z0-9._]+[a-z0-9](/[^\s/*?\[\\]+)*$")
]
GpuType = Annotated[str, StringConstraints(pattern=r"^NVIDIA_[A-Z0-9_]+$")]


class VertexOptions(Options):
    """The pipeline on Vertex AI Pipelines."""

    image: Image = "localhost/iadb-tfx:0.1.0"
    root: Bucket = Field(
        "gs://bucket/iadb",
        description="gs://bucket/folder for artifacts, checkpoints and pushed models",
    )
    cpu: float | None = Field(None, gt=0, description="limit of vCPUs of every node")
    memory: float | None = Field(None, gt=0, description="limit of memory of every node, in GB")
    gpu: int = Field(
        1,
        ge=0,
        description="GPUs of each node that uses them (Trainer, RealFeatures and SampleEvaluator; "
        "for students Student, StudentEvaluator and, if there are pairs, PairGen)",
    )
    gpu_type: GpuType = Field("NVIDIA_L4", description="type of the GPUs, as named by Vertex AI")
