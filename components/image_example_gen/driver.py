"""Resolves the spans of the window and the fingerprint of their files before the executor runs."""

from typing import Any

from tfx.components.example_gen import driver, utils
from tfx.orchestration import data_types
from tfx.orchestration.portable.data_types import ExecutionInfo
from tfx.proto.orchestration import driver_output_pb2

from components.image_example_gen import names
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import WindowOptions
from components.image_example_gen.pattern import parse_span
from components.image_example_gen.spans import ImageSource, Offer, run_sources
from components.image_example_gen.windows import find_window, window_text


class Driver(driver.Driver):
    """Replaces TFX's driver of file-based ExampleGens, which supports only one span."""

    def run(self, execution_info: ExecutionInfo) -> driver_output_pb2.DriverOutput:
        """Resolves the execution properties; the examples record the folder that they are from."""
        output = super().run(execution_info)
        (examples,) = output.output_artifacts[names.EXAMPLES].artifacts
        folder = execution_info.exec_properties[names.INPUT_BASE]
        examples.custom_properties[names.INPUT_BASE].string_value = folder
        return output

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Finds the window that ends with the requested span, and lists its files.

        Raises:
            ImageDataError: no folder is set, the span is invalid or missing, all spans are
                excluded, the newest span or the held-out folder has no images, or the folder of the
                sources has none for them.
        """
        folder = exec_properties[names.INPUT_BASE]
        if not folder:
            raise ImageDataError(
                "no data folder: set data.folder in the configuration or the run parameter "
                "data_folder"
            )
        options = WindowOptions.model_validate_json(exec_properties[names.WINDOW_OPTIONS])
        newest = parse_span(exec_properties[names.REQUESTED_SPAN], options.pattern)
        window = find_window(folder, options, newest)
        sources = run_sources(
            ImageSource(folder, window, sources=exec_properties[names.SOURCE]),
            exec_properties[names.HOLDOUT],
            exec_properties[names.HOLDOUT_SOURCE],
            exec_properties[names.UNPAIRED_SOURCE],
        )
        self._offer = Offer(sources)  # a driver exists until its node has ended
        return exec_properties | {
            names.WINDOW: window_text(window),
            utils.SPAN_PROPERTY_NAME: window[-1].number,
            utils.VERSION_PROPERTY_NAME: None,  # which TFX's driver asks for
            utils.FINGERPRINT_PROPERTY_NAME: self._offer.fingerprint,
        }
