"""The TFX component ImageExampleGen: a folder of images to tf.Examples."""

from tfx import types
from tfx.components.example_gen import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.proto import example_gen_pb2
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.image_example_gen.driver import (
    LATEST,
    REQUESTED_SPAN_KEY,
    Driver,
    input_of,
    parse_span,
)
from components.image_example_gen.executor import IMAGE_OPTIONS_KEY, Executor
from components.image_example_gen.options import ImageOptions
from trainer import examples


class ImageExampleGenSpec(standard_component_specs.FileBasedExampleGenSpec):
    """The parameters of TFX's file-based ExampleGen, and those of the images."""

    PARAMETERS = {
        **standard_component_specs.FileBasedExampleGenSpec.PARAMETERS,
        REQUESTED_SPAN_KEY: component_spec.ExecutionParameter(type=str),
        IMAGE_OPTIONS_KEY: component_spec.ExecutionParameter(type=str),
        # Read by nobody: a changed value makes TFX's cache miss.
        "source_hash": component_spec.ExecutionParameter(type=str),
    }


class ImageExampleGen(component.FileBasedExampleGen):
    """Reads the images below a folder; `examples` gets the splits train and eval.

    The features are in trainer/examples.py. Files that are no good images are left out and named
    in `rejected.json` in the root of the artifact, whose int properties `files`, `accepted`,
    `rejected` and `duplicates` count them.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        folder: str | RuntimeParameter,
        options: ImageOptions,
        pattern: str = "",
        span: str | RuntimeParameter = LATEST,
        source_hash: str = "",
    ) -> None:
        """Describes the step; nothing is read.

        Args:
            folder: the data folder, local or a URI (gs://).
            options: what becomes of each image.
            pattern: the folder below it whose images are read, at any depth; it may hold {SPAN},
                {VERSION} and {YYYY}, {MM}, {DD}. Empty for the data folder itself.
            span: the number of the span to read, or `latest`.
            source_hash: a hash of the code, so that a change of it runs the step again.

        Raises:
            ImageDataError: the pattern is not of that kind, or has no place for the span; the
                driver raises it for a span that is only known when the pipeline runs.
        """
        known_span = span.default if isinstance(span, RuntimeParameter) else span
        spec = ImageExampleGenSpec(
            input_base=folder,
            input_config=input_of(pattern, parse_span(known_span)),
            output_config=_output_config(options.eval_percent),
            output_data_format=example_gen_pb2.FORMAT_TF_EXAMPLE,
            output_file_format=example_gen_pb2.FORMAT_TFRECORDS_GZIP,
            requested_span=span,
            image_options=options.model_dump_json(),
            source_hash=source_hash,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        # FileBasedExampleGen's own constructor has no room for the parameters of the images.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)


def _output_config(eval_percent: int) -> example_gen_pb2.Output:
    split = example_gen_pb2.SplitConfig.Split
    return example_gen_pb2.Output(
        split_config=example_gen_pb2.SplitConfig(
            splits=[
                split(name=examples.TRAIN, hash_buckets=100 - eval_percent),
                split(name=examples.EVAL, hash_buckets=eval_percent),
            ]
        )
    )
