"""The way from noise to image of a few samples, as one picture."""

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.sample_evaluator.sampler import TRAJECTORY, Sampler
from trainer.grid import grid_png

ROWS, COLUMNS = 6, 9  # samples, and states of each


class WriteTrajectories(beam.PTransform):
    """Writes a PNG grid: a row for each of the first seeds, from noise to image.

    The states shown are evenly spaced among the solver's steps, at most COLUMNS of them. Of a model
    without the signature `trajectory`, or where there are no labels, nothing is written.
    """

    def __init__(self, model: str, seed: int, path: str) -> None:
        """Describes the picture.

        Args:
            model: folder of the sampler SavedModel.
            seed: the first seed.
            path: of the PNG file.
        """
        super().__init__()
        self._model = model
        self._seed = seed
        self._path = path

    def expand(self, labels: beam.PCollection) -> beam.PCollection:
        """From one list of the labels of all samples, in the order of their seeds."""
        return labels | "Draw" >> beam.Map(_write, self._model, self._seed, self._path)


def _write(labels: list[str], model: str, seed: int, path: str) -> None:
    sampler = Sampler(model)
    drawn = labels[:ROWS]
    if not (drawn and sampler.has(TRAJECTORY)):
        return
    states = sampler.trajectory(np.arange(seed, seed + len(drawn)), drawn)
    steps = np.unique(np.linspace(0, sampler.nb_step, COLUMNS).round().astype(int))
    shown = states[:, steps]
    with FileSystems.create(path, "image/png") as file:
        file.write(grid_png(shown.reshape(-1, *shown.shape[2:]), columns=len(steps)))
