"""Finds the folder of a span, and whether its files changed, before the executor runs."""

import copy
import glob
import os
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any

from tfx.components.example_gen import driver, input_processor, utils
from tfx.orchestration import data_types
from tfx.proto import example_gen_pb2, range_config_pb2
from tfx.types import standard_component_specs
from tfx.utils import proto_utils

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import fingerprint, list_images

REQUESTED_SPAN_KEY = "requested_span"  # execution property: the number of a span, or LATEST
LATEST = "latest"


def parse_span(text: str) -> int | None:
    """The number of the span that is asked for; None for the latest.

    Raises:
        ImageDataError: the text is neither.
    """
    if text == LATEST:
        return None
    if not re.fullmatch("[0-9]{1,9}", text):  # TFX's spans have 32 bits
        raise ImageDataError(
            f"span {text!r}: give the number of a span, of at most nine digits, or {LATEST}"
        )
    return int(text)


def input_of(pattern: str, span: int | None) -> example_gen_pb2.Input:
    """The input of TFX for a pattern of folders, such as `day-{SPAN}` or `{YYYY}/{MM}/{DD}`.

    Raises:
        ImageDataError: the pattern is not a relative path with known placeholders, or a span is
            asked of a pattern that has none.
    """
    split = example_gen_pb2.Input.Split(name="images", pattern=pattern)
    path = PurePosixPath(pattern)
    if path.is_absolute() or ".." in path.parts or glob.has_magic(pattern):
        raise ImageDataError(
            f"pattern {pattern!r}: give a path of folders below the data folder; it may hold "
            "{SPAN}, {VERSION} and {YYYY}, {MM}, {DD}, but no .. and no wildcards"
        )
    try:
        has_span, has_date, _ = utils.verify_split_pattern_specs(split)
    except ValueError as error:
        raise ImageDataError(f"pattern {pattern!r}: {error}") from None
    if span is not None and not (has_span or has_date):
        raise ImageDataError(
            f"span {span} is asked for, but the pattern {pattern!r} has no {{SPAN}} and no date"
        )
    return example_gen_pb2.Input(splits=[split])


class ImageFolderProcessor(input_processor.FileBasedInputProcessor):
    """Resolves the pattern of a folder; TFX's own processor resolves that of its files."""

    def resolve_span_and_version(self) -> tuple[int, int | None]:
        """Takes the span asked for, else the latest, and its latest version.

        Raises:
            ImageDataError: no folder matches, or the folder has no images.
        """
        (split,) = copy.deepcopy(list(self._splits))
        pattern, span, version = split.pattern, 0, None
        if self._is_match_span or self._is_match_date:
            try:
                # Fills the split's pattern in, with the leading zeros that the folder has.
                _, span, version = utils.calculate_splits_fingerprint_span_and_version(
                    glob.escape(self._input_base_uri), [split], self._range_config
                )
            except ValueError as error:
                raise ImageDataError(
                    f"{self._input_base_uri}: no folder for the pattern {pattern!r}"
                    f"{self._asked_span()}: {error}"
                ) from None
        self._folder_pattern = split.pattern
        self._fingerprint = fingerprint(
            list_images(os.path.join(self._input_base_uri, self._folder_pattern))
        )
        return span, version

    def get_pattern_for_span_version(self, pattern: str, span: int, version: int | None) -> str:
        """The folder that `resolve_span_and_version` found, relative to the data folder."""
        return self._folder_pattern

    def _asked_span(self) -> str:
        if self._range_config is None:
            return ""
        return f" with span {self._range_config.static_range.start_span_number}"


class Driver(driver.FileBasedDriver):
    """TFX's driver of file-based ExampleGens, for folders of images."""

    def resolve_exec_properties(
        self,
        exec_properties: dict[str, Any],
        pipeline_info: data_types.PipelineInfo,
        component_info: data_types.ComponentInfo,
    ) -> dict[str, Any]:
        """Finds the folder of the span that is asked for.

        Raises:
            ImageDataError: no folder is given, the span is none or not to be had, or the folder
                has no images.
        """
        if not exec_properties[standard_component_specs.INPUT_BASE_KEY]:
            raise ImageDataError(
                "no folder of images is given: set data.folder in the configuration, or the "
                "parameter data_folder of the run"
            )
        span = parse_span(exec_properties[REQUESTED_SPAN_KEY])
        if span is not None:
            input_config = example_gen_pb2.Input()
            proto_utils.json_to_proto(
                exec_properties[standard_component_specs.INPUT_CONFIG_KEY], input_config
            )
            input_of(input_config.splits[0].pattern, span)
            exec_properties[standard_component_specs.RANGE_CONFIG_KEY] = proto_utils.proto_to_json(
                range_config_pb2.RangeConfig(
                    static_range=range_config_pb2.StaticRange(
                        start_span_number=span, end_span_number=span
                    )
                )
            )
        return super().resolve_exec_properties(exec_properties, pipeline_info, component_info)

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> ImageFolderProcessor:
        """The processor that resolves folders."""
        return ImageFolderProcessor(input_base_uri, splits, range_config)
