import io

import numpy as np
from PIL import Image
from rich.console import Console

from pipeline.config.pipeline_config import load
from pipeline.estimate.nodes import NodeEstimate
from pipeline.estimate.survey import survey
from pipeline.estimate.table import print_estimate
from pipeline.workspace import Workspace


def described(tmp_path, *overrides):
    """The lines on a run."""
    config = load("digits", overrides=[f"data.folder={tmp_path / 'images'}", *overrides])
    found = survey(config, Workspace(tmp_path / "workspace"), schema="")
    console = Console(file=io.StringIO(), width=200)
    node = NodeEstimate("others", 1.0, None, None, "typical")
    print_estimate(console, config, found, [node])
    return console.file.getvalue()


def write(folder, count):
    folder.mkdir()
    for number in range(count):
        Image.fromarray(np.full((8, 8), number, np.uint8)).save(folder / f"{number}.png")


def test_sources_without_pairs_are_counted_beside_the_images(tmp_path):
    write(tmp_path / "images", 4)
    write(tmp_path / "sources", 3)
    assert f"{tmp_path}/images: 4 images, " in described(tmp_path)
    unpaired = (f"data.source={tmp_path / 'sources'}", "data.pairing=none", "model.source=map")
    assert f"{tmp_path}/images: 4 images and 3 sources, " in described(tmp_path, *unpaired)


def test_more_rejected_files_than_a_run_allows_are_reported(tmp_path):
    write(tmp_path / "images", 8)
    for i in range(2):
        (tmp_path / "images" / f"bad{i}.png").write_bytes(b"no image")
    stops = "\na run stops if so many are rejected: data.max_rejected allows 10%\n"
    said = described(tmp_path)
    assert "20% of a sample would be rejected" in said and stops in said
    assert stops not in described(tmp_path, "data.max_rejected=0.3")
