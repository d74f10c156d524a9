"""What ImageExampleGen can be told about the images."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, NonNegativeInt

from components.image_example_gen.spans import has_spans
from trainer.options import Options


def _hex_color(value: str) -> str:
    if not re.fullmatch(r"#[0-9a-fA-F]{6}", value):
        raise ValueError("give a color as #RRGGBB, for example #ffffff")
    return value.lower()


def _group_pattern(value: str) -> str:
    try:
        groups = re.compile(value).groups
    except re.error as error:
        raise ValueError(f"not a regular expression: {error}") from None
    if groups != 1:
        raise ValueError(f"needs exactly one (group) that captures the split key, has {groups}")
    return value


def _pattern(value: str) -> str:
    has_spans(value)
    return value


class WindowOptions(Options):
    """Which folders of the data are read."""

    pattern: Annotated[str, AfterValidator(_pattern)] = Field(
        "",
        description="path below the folder that leads to the images, with {SPAN}, {VERSION} or "
        "{YYYY}, {MM}, {DD}, for example span-{SPAN}/v-{VERSION}; empty: the folder itself",
    )
    window: NonNegativeInt = Field(
        1, description="how many spans to read, the newest and those before it; 0: all"
    )
    exclude: tuple[NonNegativeInt, ...] = Field(
        (), description="numbers of spans that are not read, and that the window skips"
    )


class ImageOptions(Options):
    """How each source file becomes one small, uniform image."""

    resolution: int = Field(64, ge=4, le=1024, description="side of the square images, in pixels")
    channels: Literal[1, 3] = Field(3, description="3 for RGB, 1 for gray")
    background: Annotated[str, AfterValidator(_hex_color)] = Field(
        "#ffffff", description="color under transparent pixels, as #RRGGBB"
    )
    min_size: int = Field(
        1, ge=1, description="files whose shorter side is below this many pixels are rejected"
    )
    max_pixels: int = Field(
        100_000_000,
        ge=1,
        le=178_956_970,  # Pillow itself opens nothing larger
        description="files with more pixels are rejected before they are decoded",
    )
    max_rejected: float = Field(
        0.1, ge=0, le=1, description="the run stops above this fraction of rejected files"
    )
    group_pattern: Annotated[str, AfterValidator(_group_pattern)] | None = Field(
        None,
        description="regular expression with one (group), searched in the relative path: files "
        "with the same group land in the same split; without it, or where it matches nothing, "
        "equal pixels do",
    )
    eval_percent: int = Field(
        20, ge=1, le=50, description="share of the images held out for evaluation, in percent"
    )
    older_share: float = Field(
        1,
        gt=0,
        le=1,
        description="fraction of the images of all spans but the newest that are taken; always the "
        "same ones, whole groups",
    )
