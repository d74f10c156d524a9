"""A picture of the trajectories of a few samples from noise to image."""

import apache_beam as beam
import numpy as np
from apache_beam.io.filesystems import FileSystems

from components.sample_evaluator.samples.sampler import load_sampler
from trainer.common.image_grid import grid_png
from trainer.common.progress import phase

ROWS, COLUMNS = 6, 9  # samples, and states of each


class WriteTrajectories(beam.DoFn):
    """One list of the labels of all samples, sorted by seed, to a PNG grid.

    The grid has one row for each of the first seeds, from noise to image. It shows at most COLUMNS
    states, evenly spaced among the solver steps. Nothing is written for a model without the
    signature `trajectory`, or without labels.
    """

    def __init__(self, model: str, seed: int, path: str) -> None:
        """Describes the picture.

        Args:
            model: folder of the sampler SavedModel.
            seed: the first seed.
            path: of the PNG file.
        """
        self._model = model
        self._seed = seed
        self._path = path

    def setup(self) -> None:
        """Loads the model, once per process."""
        self._sampler = load_sampler(self._model)

    def process(self, labels: list[str]) -> None:
        """Writes the file."""
        drawn = labels[:ROWS]
        if not (drawn and self._sampler.has_trajectory):
            return
        seeds = np.arange(self._seed, self._seed + len(drawn))
        with phase("drawing trajectories"):
            states = self._sampler.trajectory(seeds, drawn)
        steps = np.unique(np.linspace(0, self._sampler.nb_step, COLUMNS).round().astype(int))
        shown = states[:, steps]
        with FileSystems.create(self._path, "image/png") as file:
            cells = shown.reshape(-1, *shown.shape[2:])
            file.write(grid_png(cells, len(steps), self._sampler.mark))
