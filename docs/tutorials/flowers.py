"""Images from noise with the Keras API: flowers, emoji, or any folder of images.

    iadb data write flowers102 flowers102/
    python docs/tutorials/flowers.py --preset flowers102 --data flowers102/ --output flowers.gif

flowers.md describes the cost and how to do the same with the pipeline.
"""

import os

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from functools import partial
from pathlib import Path

import click
import numpy as np
import tensorflow as tf

from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.image_decode import decode
from components.image_example_gen.options import ImageOptions
from pipeline.commands.shared_options import OutputFile, UserPath
from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.config.values import presets
from pipeline.drawing import write_gif
from trainer import preprocessing
from trainer.build import build_model
from trainer.common import xmp
from trainer.fit.precision import resolve_precision
from trainer.options import TrainOptions
from trainer.step import augmenting


def read_images(folder: Path, options: ImageOptions) -> np.ndarray:
    """Reads all images below a folder, uint8 [N, H, W, C]; skips files that are not valid images.

    Raises:
        click.BadParameter: there is no valid image.
    """
    images = []
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            try:
                images.append(decode(file, options).pixels)
            except RejectedImage:
                continue
    if not images:
        raise click.BadParameter(f"{folder} has no valid image", param_hint="--data")
    return np.stack(images)


def batches(images: np.ndarray, config: PipelineConfig) -> tf.data.Dataset:
    """Returns endless shuffled batches of x1 in [-1, 1], float32 [batch_size, H, W, C].

    With `train.flip` or `train.augment` also of `augmentation`, int64 [batch_size], which the
    network sees.
    """
    dataset = tf.data.Dataset.from_tensor_slices(images)
    dataset = dataset.shuffle(len(images), seed=config.train.seed).repeat()
    dataset = dataset.batch(config.train.batch_size).map(preprocessing.to_float)
    if config.train.flip or config.train.augment:
        seeds = tf.data.Dataset.random(config.train.seed).batch(2)
        dataset = tf.data.Dataset.zip(dataset, seeds).map(partial(augment, options=config.train))
    return dataset.prefetch(tf.data.AUTOTUNE)


def augment(x1: tf.Tensor, seed: tf.Tensor, options: TrainOptions) -> dict[str, tf.Tensor]:
    """Augments a batch as the Trainer does."""
    codes = augmenting.draw_augmentations(seed, tf.shape(x1)[0], options.flip, options.augment)
    x1 = augmenting.augment(x1, codes)
    return {"x1": x1, "augmentation": codes}


def run(config: PipelineConfig, data: Path, output: Path, count: int = 16) -> None:
    """Trains on a folder of images and writes the trajectories of `count` samples as a GIF.

    The model is saved beside it as soon as it is trained, with the suffix .keras.
    """
    output.parent.mkdir(parents=True, exist_ok=True)  # now, and not after the training
    images = batches(read_images(data, config.data), config)
    train, _ = resolve_precision(config.train, tf.distribute.get_strategy())
    model = build_model(config.model, train, config.sample, config.data.shape)
    model.fit(images, steps_per_epoch=config.train.steps)
    model.save(output.with_suffix(".keras"))
    click.echo(f"model: {output.with_suffix('.keras')}")
    x0 = tf.random.stateless_normal([count, *config.data.shape], seed=[0, 0])
    _, trajectory = model.sample_iadb(x0, nb_step=config.sample.nb_step)
    frames = preprocessing.to_uint8(trajectory).numpy().swapaxes(0, 1)
    write_gif(frames, output, xmp.packet(weights=""))  # marked as made by a model


@click.command()
@click.option(
    "--preset",
    default="flowers102",
    show_default=True,
    type=click.Choice(presets()),
    help="The configuration.",
)
@click.option(
    "--data",
    required=True,
    type=UserPath(exists=True, file_okay=False),
    help="Folder of images.",
)
@click.option(
    "--steps", type=click.IntRange(2), help="Training steps; by default those of the preset."
)
@click.option(
    "--output",
    default="flowers.gif",
    show_default=True,
    type=OutputFile(".gif"),
    help="The GIF; the model is saved beside it, with the suffix .keras.",
)
def main(preset: str, data: Path, steps: int | None, output: Path) -> None:
    """Train on the images of a folder and write the trajectory from noise to images as a GIF."""
    run(load(preset, overrides=[f"train.steps={steps}"] if steps else ()), data, output)
    click.echo(f"from noise to images: {output}")


if __name__ == "__main__":
    main()
