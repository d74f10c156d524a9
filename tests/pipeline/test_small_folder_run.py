"""A hundred tiny pictures and no configuration: a verdict, and what to do after it."""

import shlex

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.cli import main
from tests.pipeline.conftest import TINY
from tests.pipeline.stand_ins import quick_network
from trainer.common import exit_codes

NETWORK = [f"--set={setting}" for setting in TINY if not setting.startswith("evaluate.")]


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def write_pictures(folder):
    folder.mkdir()
    for i in range(100):
        random = np.random.default_rng(i)
        pixels = np.full((16, 16, 3), random.integers(0, 100, 3), np.uint8)
        x, y = random.integers(2, 10, 2)
        pixels[y : y + 4, x : x + 4] = random.integers(120, 256, 3)
        Image.fromarray(pixels).save(folder / f"{i:03}.png")


@pytest.fixture
def network():
    with quick_network():
        yield


@pytest.mark.slow
def test_a_hundred_pictures_run_to_a_verdict_without_a_configuration(tmp_path, network):
    write_pictures(tmp_path / "pictures")
    command = ("run", "--data", tmp_path / "pictures", "--workspace", tmp_path / "my models")
    first = iadb(*command, *NETWORK)
    assert first.exit_code == exit_codes.NOT_BLESSED, first.output
    assert "100 color pictures of 16x16\nchosen for them: data.resolution=16" in first.output
    assert "held-out images of 16x16 in color: " in first.output
    assert "not blessed: " in first.output

    sample, promote = (shlex.split(line)[1:] for line in first.output.splitlines()[-2:])
    drawn = iadb(*sample, "--count", 4, "--output", tmp_path / "samples.png")
    assert drawn.exit_code == 0, drawn.output
    promoted = iadb(*promote)
    assert promoted.exit_code == 0, promoted.output
    assert "\nlive: " in f"\n{promoted.output}"

    again = iadb(*command, *NETWORK)
    assert "as chosen earlier, data.resolution=16" in again.output
    assert "ImageExampleGen    cached" in again.output
    assert "Trainer            cached" in again.output
