"""The options of ImageExampleGen: which images it reads and how it converts them."""

import math
import re
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, NonNegativeInt, PlainSerializer

from components.image_example_gen.pattern import has_spans
from trainer.common.options import Options
from trainer.common.resolution import from_sides
from trainer.common.text import shorten

MIN_SIDE, MAX_SIDE = 4, 1024  # pixels
MOST_PIXELS = 178_956_970  # Pillow itself opens nothing larger


_Side = Annotated[int, Field(ge=MIN_SIDE, le=MAX_SIDE)]


def _resolution(value: Any) -> tuple[int, int]:
    sides = value if isinstance(value, list | tuple) else (value, value)
    allowed = all(type(side) is int and MIN_SIDE <= side <= MAX_SIDE for side in sides)
    if len(sides) != 2 or not allowed:
        raise ValueError(
            f"input should be the side of a square or [height, width], of {MIN_SIDE} to {MAX_SIDE} "
            "pixels each"
        )
    height, width = sides
    return height, width


def _quoted(value: Any) -> Any:
    if value is None:  # YAML takes a # and what follows for a comment
        raise ValueError('a color in YAML needs quotes, for example "#ffffff"')
    return value


def _hex_color(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError("expected a color as #RRGGBB, for example #ffffff")
    return value.lower()


def _group_pattern(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except (re.error, OverflowError, RecursionError) as error:
        raise ValueError(f"not a regular expression: {shorten(str(error))}") from None
    if groups != 1:
        raise ValueError(f"expected one (group) that captures the split key, got {groups}")
    return value


def _text(value: Any) -> Any:
    if isinstance(value, dict | list):  # YAML reads them in {SPAN} and [a]
        raise ValueError(
            "text that begins with { or [ needs quotes in YAML, for example '{SPAN}/images'"
        )
    return value


_GroupPattern = Annotated[str, BeforeValidator(_text), AfterValidator(_group_pattern)]


def _pattern(value: str) -> str:
    has_spans(value)
    return value


class WindowOptions(Options):
    """Which folders of the data are read."""

    pattern: Annotated[str, BeforeValidator(_text), AfterValidator(_pattern)] = Field(
        "",
        description="path of the images below the folder, with {SPAN} or {YYYY}, {MM}, {DD}, "
        "for example span-{SPAN}; empty: the folder itself",
    )
    window: NonNegativeInt = Field(
        1, description="number of spans to read, the newest and those before it; 0: all"
    )
    exclude: tuple[NonNegativeInt, ...] = Field(
        (), description="numbers of spans to skip; the window does not count them"
    )


class ImageOptions(Options):
    """How each source file is converted to one small, uniform image."""

    resolution: Annotated[
        tuple[int, int],
        BeforeValidator(_resolution, json_schema_input_type=_Side | tuple[_Side, _Side]),
        PlainSerializer(from_sides),
    ] = Field(
        64,  # as a file has it, and so the schema
        validate_default=True,
        description="size of the images in pixels: the side of squares, for example 64, or "
        "[height, width]",
    )
    fit: Literal["crop", "pad"] = Field(
        "crop",
        description="what happens to images of another aspect: crop keeps their center, pad all of "
        "them, with bars in the background color",
    )
    channels: Literal[1, 3] = Field(3, description="3 for RGB, 1 for grayscale")
    background: Annotated[str, BeforeValidator(_quoted), AfterValidator(_hex_color)] = Field(
        "#ffffff", description="color of transparent pixels and of the bars of pad, as #RRGGBB"
    )
    min_size: int | None = Field(
        None,
        ge=1,
        description="images whose shorter side is below this many pixels are rejected; by default "
        "those of which one side is below half of that of resolution",
    )
    max_pixels: int = Field(
        100_000_000,
        ge=1,
        le=MOST_PIXELS,
        description="images with more pixels are rejected before they are decoded",
    )
    max_rejected: float = Field(
        0.1, ge=0, le=1, description="maximum fraction of rejected files; above it the run fails"
    )
    group_pattern: _GroupPattern | None = Field(
        None,
        description="regular expression with one (group), searched in the relative path; files "
        "with the same group are in the same split. Without a match, images with equal pixels are "
        "in the same split",
    )
    near_duplicates: Literal["group", "off"] = Field(
        "group",
        description="images that look nearly alike, such as shots of a burst; group: keep them in "
        "the same split; off: do not search them. Files that group_pattern matches, and images "
        "below 16 pixels, are not compared",
    )
    eval_percent: int = Field(
        20, ge=1, le=50, description="percentage of the images held out for evaluation"
    )

    @property
    def shape(self) -> tuple[int, int, int]:
        """Height, width and channels of the converted images."""
        return *self.resolution, self.channels

    @property
    def smallest(self) -> tuple[int, int]:
        """The least height and width of a source, by min_size or its default, in pixels."""
        height, width = (self.min_size or math.ceil(side / 2) for side in self.resolution)
        return height, width
