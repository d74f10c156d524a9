"""The TFX component ImageExampleGen, which converts a folder of images to tf.Examples."""

from tfx import types
from tfx.dsl.components.base import base_beam_component, executor_spec
from tfx.orchestration.data_types import RuntimeParameter
from tfx.types import component_spec, standard_artifacts

from components.image_example_gen import names
from components.image_example_gen.driver import Driver
from components.image_example_gen.executor import Executor
from components.image_example_gen.options import ImageOptions, WindowOptions
from components.image_example_gen.pattern import LATEST


class ImageExampleGenSpec(component_spec.ComponentSpec):
    """Outputs and parameters of ImageExampleGen."""

    INPUTS = {}
    OUTPUTS = {names.EXAMPLES: component_spec.ChannelParameter(type=standard_artifacts.Examples)}
    PARAMETERS = {
        names.INPUT_BASE: component_spec.ExecutionParameter(type=str),
        names.REQUESTED_SPAN: component_spec.ExecutionParameter(type=str),
        names.WINDOW_OPTIONS: component_spec.ExecutionParameter(type=str),
        names.HOLDOUT: component_spec.ExecutionParameter(type=str),
        names.SOURCE: component_spec.ExecutionParameter(type=str),
        names.UNPAIRED_SOURCE: component_spec.ExecutionParameter(type=str),
        names.HOLDOUT_SOURCE: component_spec.ExecutionParameter(type=str),
        names.IMAGE_OPTIONS: component_spec.ExecutionParameter(type=str),
        # The driver sets it.
        names.WINDOW: component_spec.ExecutionParameter(type=str),
        # A changed value invalidates TFX's cache, and examples of earlier runs.
        "source_hash": component_spec.ExecutionParameter(type=str),
    }


class ImageExampleGen(base_beam_component.BaseBeamComponent):
    """Converts the images below a folder to `examples` with the splits train, eval and `holdout`.

    trainer/examples.py defines the features. Files that are not valid images are skipped and listed
    in `rejected.json` in the root of the artifact, whose int properties `files`, `accepted`,
    `rejected` and `duplicates` are counts. Its property `remarks` is a JSON list of lines about
    skipped files and unusual images. Its property `span` is the newest span that was read, `spans`
    the JSON list of all of them.
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
        source: str | None = None,
        holdout_source: str | None = None,
        unpaired_source: str | None = None,
        source_hash: str = "",
    ) -> None:
        """Describes the component; reads nothing.

        Args:
            folder: the data folder, local or a URI (gs://).
            options: how each image is converted.
            window: which folders below it are read, with their images at any depth.
            span: the number of the newest span to read, or `latest`.
            holdout: a folder, local or a URI, with the images of the split holdout; equal images in
                the data, and those of the same group of group_pattern, are not trained on.
            source: a folder, local or a URI, with what a model is to translate to the images, under
                the same names.
            holdout_source: the same for the images of `holdout`.
            unpaired_source: in place of `source`, a folder with sources under any names, which are
                converted to the splits source_train and source_eval.
            source_hash: hash of the code; a change reruns the component.
        """
        spec = ImageExampleGenSpec(
            input_base=folder,
            requested_span=span,
            window_options=window.model_dump_json(),
            holdout=holdout or "",
            source=source or "",
            unpaired_source=unpaired_source or "",
            holdout_source=holdout_source or "",
            image_options=options.model_dump_json(),
            window="",
            source_hash=source_hash,
            examples=types.Channel(type=standard_artifacts.Examples),
        )
        super().__init__(spec=spec)
