"""The TFX component ImageExampleGen: a folder of images to tf.Examples."""

from tfx import types
from tfx.components.example_gen import component
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import component_spec, standard_artifacts, standard_component_specs

from components.image_example_gen.driver import (
    HOLDOUT_KEY,
    LATEST,
    REQUESTED_SPAN_KEY,
    WINDOW_KEY,
    WINDOW_OPTIONS_KEY,
    Driver,
)
from components.image_example_gen.executor import IMAGE_OPTIONS_KEY, Executor
from components.image_example_gen.options import ImageOptions, WindowOptions


class ImageExampleGenSpec(component_spec.ComponentSpec):
    """Outputs and parameters of ImageExampleGen."""

    INPUTS = {}
    OUTPUTS = {
        standard_component_specs.EXAMPLES_KEY: component_spec.ChannelParameter(
            type=standard_artifacts.Examples
        )
    }
    PARAMETERS = {
        standard_component_specs.INPUT_BASE_KEY: component_spec.ExecutionParameter(type=str),
        REQUESTED_SPAN_KEY: component_spec.ExecutionParameter(type=str),
        WINDOW_OPTIONS_KEY: component_spec.ExecutionParameter(type=str),
        HOLDOUT_KEY: component_spec.ExecutionParameter(type=str),
        IMAGE_OPTIONS_KEY: component_spec.ExecutionParameter(type=str),
        # The driver fills it in.
        WINDOW_KEY: component_spec.ExecutionParameter(type=str),
        # Read by nobody: a changed value makes TFX's cache miss.
        "source_hash": component_spec.ExecutionParameter(type=str),
    }


class ImageExampleGen(component.FileBasedExampleGen):
    """Reads the images below a folder; `examples` gets the splits train and eval, and `holdout`.

    The features are in trainer/examples.py. Files that are no good images are left out and named
    in `rejected.json` in the root of the artifact, whose int properties `files`, `accepted`,
    `rejected` and `duplicates` count them. `span` is the newest of the spans that were read,
    `spans` the JSON list of them all.
    """

    SPEC_CLASS = ImageExampleGenSpec
    EXECUTOR_SPEC = executor_spec.BeamExecutorSpec(Executor)
    DRIVER_CLASS = Driver

    def __init__(
        self,
        folder: str | RuntimeParameter,
        options: ImageOptions,
        window: WindowOptions,
        span: str | RuntimeParameter = LATEST,
        holdout: str | None = None,
        source_hash: str = "",
    ) -> None:
        """Describes the step; nothing is read.

        Args:
            folder: the data folder, local or a URI (gs://).
            options: what becomes of each image.
            window: which folders below it are read; their images at any depth.
            span: the number of the newest span to read, or `latest`.
            holdout: a folder of images, local or a URI, that become the split holdout; those of
                the data that equal them are not trained on.
            source_hash: a hash of the code, so that a change of it runs the step again.
        """
        spec = ImageExampleGenSpec(
            input_base=folder,
            requested_span=span,
            window_options=window.model_dump_json(),
            holdout=holdout or "",
            image_options=options.model_dump_json(),
            window="",
            source_hash=source_hash,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        # The constructor of FileBasedExampleGen, as which Vertex AI's compiler knows one with a
        # driver, has parameters of its own.
        base_beam_component.BaseBeamComponent.__init__(self, spec=spec)
