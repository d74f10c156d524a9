"""Finds the folder of a span, and whether its files changed, before the executor runs."""

import copy
import glob
import os
from collections.abc import Iterable
from pathlib import PurePosixPath

from tfx.components.example_gen import driver, input_processor, utils
from tfx.proto import example_gen_pb2, range_config_pb2

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import fingerprint, list_images


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

    def get_input_processor(
        self,
        splits: Iterable[example_gen_pb2.Input.Split],
        range_config: range_config_pb2.RangeConfig | None = None,
        input_base_uri: str | None = None,
    ) -> ImageFolderProcessor:
        """The processor that resolves folders."""
        return ImageFolderProcessor(input_base_uri, splits, range_config)
