"""The grid of samples that shows the progress of a training."""

from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from trainer import preprocessing
from trainer.common.image_grid import columns_of_classes, image_grid
from trainer.dataset import TrainingData, first_images
from trainer.iadb import IADBModel
from trainer.step.path import blend_noise, noise_from_seeds

GRID_SIDE = 8  # images along each side of a grid, or rows of translations


@dataclass(frozen=True)
class SampleGrid:
    """What the samples of a grid are drawn from, the same in every grid of a training.

    Attributes:
        x0: float32 [N, H, W, C].
        label: class ids, int64 [N], for a conditional model.
        source: float32 [N, H, W, S], for a network that sees one.
        before, after: images to show to the left and right of each sample, float32 [N, H, W, C] in
            [-1, 1]: for a translation the source and, of pairs, the image that it should be.
        classes: number of classes, if they come in turn; 0 otherwise.
        at_once: number of samples that are drawn at a time: memory may hold no more.
    """

    x0: tf.Tensor
    label: tf.Tensor | None = None
    source: tf.Tensor | None = None
    before: tf.Tensor | None = None
    after: tf.Tensor | None = None
    classes: int = 0
    at_once: int = GRID_SIDE**2

    def draw(self, model: IADBModel, nb_step: int, count: int | None = None) -> np.ndarray:
        """Draws a grid of all or the first samples, uint8 [height, width, C], in nb_step steps."""
        x0, label, source, before, after = (
            None if each is None else each[:count]
            for each in (self.x0, self.label, self.source, self.before, self.after)
        )
        parts = []
        for first in range(0, len(x0), self.at_once):
            part = slice(first, first + self.at_once)
            conditions = (None if each is None else each[part] for each in (label, source))
            parts.append(model.transport(x0[part], nb_step, *conditions))
        x1 = tf.concat(parts, axis=0)
        if before is None:
            columns = columns_of_classes(len(x1), self.classes)
            return image_grid(preprocessing.to_uint8(x1).numpy(), columns)
        shown = [before, x1] if after is None else [before, x1, after]
        rows = tf.stack(shown, axis=1)
        images = preprocessing.to_uint8(tf.reshape(rows, [-1, *x1.shape[1:]]))
        return image_grid(images.numpy(), columns=len(shown))


def make_grid(data: TrainingData, at_once: int = GRID_SIDE**2) -> SampleGrid:
    """Returns the grid of samples from fixed noise, or where images have sources of their results.

    The sources are those of the first held-out images; of training images if none are held out.
    """
    if data.source is None:
        images = tf.range(GRID_SIDE**2, dtype=tf.int64)
        label = images % len(data.labels) if data.labels else None
        x0 = noise_from_seeds(images, data.shape)
        return SampleGrid(x0, label, classes=len(data.labels), at_once=at_once)
    batch = next(iter(first_images(data, data.held_out or data.files, GRID_SIDE, GRID_SIDE)))
    noise = noise_from_seeds(tf.range(len(batch["x1"]), dtype=tf.int64), data.shape)
    x0 = blend_noise(batch["x0"], noise, data.source.noise) if "x0" in batch else noise
    shown = batch["x0"] if "x0" in batch else batch["source"][..., : data.shape[-1]]
    image = batch["x1"] if data.source.paired else None
    label, source = batch.get("label"), batch.get("source")
    return SampleGrid(x0, label, source, shown, image, at_once=at_once)
