"""Maps one density of points to another: eight Gaussians on a ring to two moons.

    python docs/tutorials/densities_2d.py --output densities

densities_2d.md explains this file step by step.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import colorsys
from collections.abc import Sequence
from pathlib import Path

import click
import keras
import numpy as np
import tensorflow as tf
from PIL import Image, ImageDraw, ImageFont
from scipy.stats import wasserstein_distance
from sklearn.datasets import make_moons

from trainer.iadb import IADBModel, Sampling, Training
from trainer.networks.mlp import build_mlp

BATCH_SIZE = 512
NB_STEP = 50  # solver steps; the GIF has one frame more
SIDE = 320  # of a picture, in pixels
OVERSAMPLING = 3  # dots are drawn larger and then reduced, as Pillow does not antialias
LIMIT = 3.2  # pictures show coordinates from -LIMIT to LIMIT


def ring(n: int, seed: int) -> np.ndarray:
    """Draws points of eight narrow Gaussians on a circle, float32 [n, 2]."""
    rng = np.random.default_rng(seed)
    angles = rng.integers(8, size=n) * (2 * np.pi / 8)
    centers = 2.4 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return np.float32(rng.normal(centers, 0.15))


def moons(n: int, seed: int) -> np.ndarray:
    """Draws points of two interleaved half circles, float32 [n, 2]."""
    points, _ = make_moons(n, noise=0.1, random_state=seed)
    return np.float32((points - (0.5, 0.25)) * 1.5)


def train(steps: int, nb_point: int = 100_000, seed: int = 0) -> IADBModel:
    """Trains a mapping of the ring to the moons on nb_point points of each."""
    keras.utils.set_random_seed(seed)
    network, training = build_mlp(dim=2, width=128, depth=4), Training(seed=seed)
    model = IADBModel(network, rank=2, training=training, sampling=Sampling("heun"))
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(optimizer=keras.optimizers.Adam(rate))
    # Both are shuffled separately, so x0 and x1 of a pair are independent.
    pairs = tf.data.Dataset.zip(
        *(
            tf.data.Dataset.from_tensor_slices(points)
            .shuffle(nb_point, seed=seed + i)
            .repeat()
            .batch(BATCH_SIZE)
            for i, points in enumerate((ring(nb_point, seed), moons(nb_point, seed)))
        )
    )
    pairs = pairs.prefetch(2)
    model.fit(pairs, steps_per_epoch=steps, verbose=0)
    return model


def distance(a: np.ndarray, b: np.ndarray, nb_direction: int = 64) -> float:
    """Computes the sliced Wasserstein distance of two sets of points, float [N, 2]."""
    angles = np.pi * np.arange(nb_direction) / nb_direction
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return float(np.mean([wasserstein_distance(a @ d, b @ d) for d in directions]))


def scatter(points: np.ndarray, colors: Sequence[tuple[int, int, int]], title: str) -> Image.Image:
    """Draws a picture of points, float [N, 2], each in its color."""
    side, radius = SIDE * OVERSAMPLING, 1.1 * OVERSAMPLING
    picture = Image.new("RGB", (side, side), "white")
    draw = ImageDraw.Draw(picture)
    pixels = (points * (1, -1) / LIMIT + 1) * side / 2
    for (x, y), color in zip(pixels.tolist(), colors, strict=True):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=color)
    picture = picture.resize((SIDE, SIDE), Image.Resampling.LANCZOS)
    font = ImageFont.load_default(16)
    ImageDraw.Draw(picture).text((10, 8), title, fill="black", font=font)
    return picture


def side_by_side(pictures: Sequence[Image.Image]) -> Image.Image:
    """Arranges pictures of equal size in one row."""
    row = Image.new("RGB", (SIDE * len(pictures), SIDE))
    for i, picture in enumerate(pictures):
        row.paste(picture, (i * SIDE, 0))
    return row


def run(output: Path, steps: int, nb_point: int = 3000) -> dict[str, float]:
    """Trains, writes densities.png and path.gif to a folder, and measures distances.

    Returns:
        The distances to the target of `source`, of `mapped`, and of other points of the `target`
        itself, a lower bound.
    """
    output.mkdir(parents=True, exist_ok=True)  # now, and not after the training
    model = train(steps)
    x0, x1 = ring(nb_point, seed=1), moons(nb_point, seed=1)
    mapped, trajectory = model.sample_iadb(tf.constant(x0), nb_step=NB_STEP)

    angles = np.arctan2(x0[:, 1], x0[:, 0]) / (2 * np.pi)
    colors = [tuple(round(255 * c) for c in colorsys.hsv_to_rgb(a % 1, 0.8, 0.8)) for a in angles]
    side_by_side(
        [
            scatter(x0, colors, "source"),
            scatter(mapped.numpy(), colors, "source, mapped"),
            scatter(x1, [(90, 90, 90)] * nb_point, "target"),
        ]
    ).save(output / "densities.png")
    first, *others = (
        scatter(points, colors, f"alpha = {i / NB_STEP:.2f}")
        for i, points in enumerate(trajectory.numpy())
    )
    durations = [60] * NB_STEP + [2000]  # ms
    first.save(output / "path.gif", save_all=True, append_images=others, duration=durations, loop=0)
    return {
        "source": distance(x0, x1),
        "mapped": distance(mapped.numpy(), x1),
        "target": distance(moons(nb_point, seed=2), x1),
    }


@click.command()
@click.option(
    "--output",
    default="densities",
    type=click.Path(file_okay=False, path_type=Path),
    help="Output folder.",
)
@click.option("--steps", default=8000, type=click.IntRange(1), help="Training steps.")
def main(output: Path, steps: int) -> None:
    """Map a ring of Gaussians to two moons and write pictures."""
    for name, value in run(output, steps).items():
        click.echo(f"sliced Wasserstein distance to the target, {name}: {value:.3f}")
    click.echo(f"{output / 'densities.png'} and {output / 'path.gif'}")


if __name__ == "__main__":
    main()
