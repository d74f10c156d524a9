"""The picture of trajectories shows the states of the first seeds, row by row."""

import apache_beam as beam
import numpy as np
import pytest
from evaluator_data import BEAM_ARGS, mark_of, open_png, write_model, write_network_model

from components.sample_evaluator.pictures.trajectories import WriteTrajectories
from components.sample_evaluator.samples.sampler import LoadedSampler
from trainer.common import xmp
from trainer.common.image_grid import image_grid

LABELS = ["cat", "dog"]


def write(folder, path, labels, seed=5):
    with beam.Pipeline(argv=BEAM_ARGS) as pipeline:
        serving = f"{folder}/Format-Serving"
        write_trajectories = WriteTrajectories(serving, seed, str(path))
        _ = pipeline | beam.Create([labels]) | beam.ParDo(write_trajectories)


@pytest.mark.parametrize(
    ("nb_step", "steps"), [(3, [0, 1, 2, 3]), (20, [0, 2, 5, 8, 10, 12, 15, 18, 20])]
)
def test_a_row_leads_from_noise_to_the_sample_of_its_seed_and_label(tmp_path, nb_step, steps):
    folder = write_network_model(tmp_path / "model", LABELS, nb_step)
    labels = ["dog", "cat", "", "dog", "cat", "", "dog", "cat"]
    write(folder, tmp_path / "grid.png", labels)
    states = LoadedSampler(f"{folder}/Format-Serving").trajectory(np.arange(5, 11), labels[:6])
    shown = states[:, steps].reshape(-1, *states.shape[2:])
    expected = image_grid(shown, columns=len(steps)).squeeze()
    np.testing.assert_array_equal(open_png(tmp_path / "grid.png"), expected)
    assert xmp.SOURCE_TYPE in mark_of(tmp_path / "grid.png")


def test_fewer_samples_have_fewer_rows(tmp_path):
    write(write_network_model(tmp_path / "model", LABELS), tmp_path / "grid.png", ["cat"])
    assert open_png(tmp_path / "grid.png").shape == (4 + 64 + 4, 8 * (64 + 4) + 4)


def test_without_a_trajectory_or_labels_there_is_no_picture(tmp_path, digits):
    write(write_model(tmp_path / "model", digits[:2]), tmp_path / "grid.png", ["", ""])
    write(write_network_model(tmp_path / "other"), tmp_path / "grid.png", [])
    assert not (tmp_path / "grid.png").exists()
