"""What ImageExampleGen can be told about the images."""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

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
