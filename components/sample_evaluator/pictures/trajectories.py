"""The way from noise to image of a few samples, as one picture."""

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.sample_evaluator.samples.sampler import TRAJECTORY, load_sampler
from trainer.common.image_grid import grid_png

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
        return labels | "Draw" >> beam.ParDo(_Draw(self._model, self._seed, self._path))


class _Draw(beam.DoFn):
    """The labels of all samples to the file."""

    def __init__(self, model: str, seed: int, path: str) -> None:
        self._model = model
        self._seed = seed
        self._path = path

    def setup(self) -> None:
        """Loads the model, once a process."""
        self._sampler = load_sampler(self._model)

    def process(self, labels: list[str]) -> None:
        """Writes the file."""
        drawn = labels[:ROWS]
        if not (drawn and self._sampler.has(TRAJECTORY)):
            return
        seeds = np.arange(self._seed, self._seed + len(drawn))
        states = self._sampler.trajectory(seeds, drawn)
        steps = np.unique(np.linspace(0, self._sampler.nb_step, COLUMNS).round().astype(int))
        shown = states[:, steps]
        with FileSystems.create(self._path, "image/png") as file:
            file.write(grid_png(shown.reshape(-1, *shown.shape[2:]), columns=len(steps)))
