"""Drawn images: discs, rectangles, triangles and stars of any color, in color at 32x32."""

import numpy as np
from PIL import Image, ImageDraw

SIDE = 32  # pixels
FINER = 4  # drawn so much larger, for smooth edges


def draw_shapes(count, seed=0, *, symmetric=False):
    """Draws images uint8 [N, 32, 32, 3]; symmetric ones are, up to rounding, their own mirror."""
    rng = np.random.default_rng(seed)
    return np.stack([_draw(i, rng, symmetric) for i in range(count)])


def _draw(kind, rng, symmetric):
    side = SIDE * FINER
    background, color = (tuple(map(int, rng.integers(0, 256, 3))) for _ in range(2))
    image = Image.new("RGB", (side, side), background)
    pen = ImageDraw.Draw(image)
    radius = rng.uniform(0.15, 0.35) * side
    x, y = rng.uniform(radius, side - radius, 2)
    angle = rng.uniform(0, 2 * np.pi)
    if symmetric:
        x, angle = (side - 1) / 2, -np.pi / 2
    match kind % 4:
        case 0:
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
        case 1:
            pen.rectangle((x - radius, y - radius / 2, x + radius, y + radius / 2), fill=color)
        case 2:
            pen.polygon(_corners(x, y, [radius] * 3, angle), fill=color)
        case 3:
            pen.polygon(_corners(x, y, [radius, radius / 2] * 5, angle), fill=color)
    return np.asarray(image.resize((SIDE, SIDE), Image.Resampling.BICUBIC))


def _corners(x, y, radii, first):
    angles = first + 2 * np.pi * np.arange(len(radii)) / len(radii)
    return [(x + r * np.cos(a), y + r * np.sin(a)) for r, a in zip(radii, angles, strict=True)]


def mirrored(images):
    """Mirrors left to right."""
    return images[:, :, ::-1]


def shifted(images, down, right):
    """Shifts by up to 2 pixels; the border is repeated."""
    padded = np.pad(images, ((0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = images.shape[1:3]
    return padded[:, 2 - down : 2 - down + height, 2 - right : 2 - right + width]
