"""The resolution of images: height and width; squares are written as one number."""

from collections.abc import Sequence


def to_sides(resolution: int | Sequence[int]) -> tuple[int, int]:
    """Height and width, in pixels, of a resolution as it is written: 64, or [48, 64]."""
    if isinstance(resolution, int):
        return resolution, resolution
    height, width = resolution
    return height, width


def from_sides(sides: tuple[int, int]) -> int | list[int]:
    """The inverse of `to_sides`; of a square one number, as before there were rectangles."""
    height, width = sides
    return height if height == width else [height, width]
