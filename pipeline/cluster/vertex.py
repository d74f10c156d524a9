"""Compiles the pipeline of a configuration for Vertex AI Pipelines."""

import functools
from pathlib import Path

from pipeline import failures
from pipeline.config.pipeline_config import ConfigError, PipelineConfig, require_runnable
from pipeline.config.values import FOLDERS
from pipeline.features import with_chosen_features
from pipeline.graph import Locations, create_pipeline
from pipeline.runners.vertex import VertexCompileError, write_job
from pipeline.runners.vertex_options import VertexOptions
from pipeline.schema import read_schema
from trainer.common.text import printable

REACHABLE = ("gs://", "s3://", "/gcs/")  # Vertex AI mounts buckets at /gcs


def compile_job(config: PipelineConfig, output: Path) -> None:
    """Writes the job (JSON), without the features that docs/vertex.md lists as missing.

    Its parameters are `data_folder`, `span`, `steps` and `samples`; the configuration's values are
    the defaults.

    The feature space is chosen here if the configuration leaves it open: the nodes fetch nothing.

    Raises:
        ConfigError: the configuration cannot run on Vertex AI.
        OSError: the file cannot be written.
    """
    require_runnable(config)
    for key in ("root", "image"):
        if getattr(config.vertex, key) == VertexOptions.model_fields[key].default:
            raise ConfigError(
                f"vertex.{key}: {getattr(config.vertex, key)} is an example; set your own"
            )
    for key in FOLDERS:
        folder = getattr(config.data, key)
        if folder and not folder.startswith(REACHABLE):
            raise ConfigError(
                f"data.{key}: {printable(folder)} is not reachable from Vertex AI; use "
                "gs://bucket/folder or s3://bucket/folder"
            )
    try:
        config.train.check_replicas(max(config.vertex.gpu, 1))
    except ValueError as error:
        raise ConfigError(f"vertex.gpu={config.vertex.gpu}: {error}") from None
    config, warning = with_chosen_features(config, functools.partial(failures.say, error=True))
    locations = Locations.below(config.vertex.root)
    schema = read_schema(
        config.validation.schema_file, paired=config.data.paired_source is not None
    )
    try:
        pipeline = create_pipeline(
            config, locations, schema, earlier_models=False, features_warning=warning
        )
        write_job(pipeline, config.vertex, output)
    except VertexCompileError as error:
        raise ConfigError(f"vertex: {error}") from None
