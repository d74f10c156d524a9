"""The example of docs/sampler.md for the exported network draws the images of the model."""

import numpy as np
import pytest
from markdown_blocks import blocks

import iadb
from tests.exported_models import write_with_network
from trainer.names import NETWORK


@pytest.mark.parametrize(
    ("grid", "about"),
    [("late", {"labels": ["cat", "dog"], "guidance": 2.0}), ("uniform", {})],
)
def test_the_example_for_other_programs_draws_the_images_of_the_model(
    tmp_path, monkeypatch, grid, about
):
    write_with_network(tmp_path, solver="euler", grid=grid, **about)
    (tmp_path / NETWORK).rename(tmp_path / "network.onnx")
    monkeypatch.chdir(tmp_path)
    noise = np.random.default_rng(0)
    monkeypatch.setattr(np.random, "default_rng", lambda: noise)
    (example,) = (b.text for b in blocks("python") if "InferenceSession" in b.text)
    drawn = {}
    exec(example, drawn)

    x0 = np.random.Generator(np.random.PCG64(0)).standard_normal((8, 8, 8, 1), np.float32)
    expected = iadb.load(tmp_path).transport(x0, label="cat" if about else "")
    assert np.abs(drawn["images"].astype(int) - expected).max() <= 1
