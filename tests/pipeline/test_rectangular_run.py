"""Rectangular pictures from a folder to a sampler, a sample and a verdict outside the pipeline."""

import json

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image, ImageDraw

from pipeline.cli import main
from pipeline.drawing import draw_samples
from pipeline.registry import serving
from pipeline.registry.serving import read_model
from pipeline.workspace import Workspace
from tests.pipeline.conftest import TINY
from tests.pipeline.stand_ins import quick_network
from trainer.common import exit_codes

HEIGHT, WIDTH = 16, 24
SETTINGS = [
    f"--set={each}"
    for each in (
        *TINY,
        "data.resolution=[16,24]",
        "data.channels=1",
        "evaluate.samples=50",
        "evaluate.features=random_conv",
        "evaluate.thresholds.frechet_distance=null",
    )
]


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def write_shapes(folder, count=300, size=(48, 32)):
    """Writes ellipses and boxes on gray, of which every tenth is stored turned by its EXIF data."""
    folder.mkdir()
    for i in range(count):
        random = np.random.default_rng(i)
        image = Image.new("L", size, int(random.integers(0, 80)))
        left, top = random.uniform(0, 0.5, 2) * size
        box = (left, top, left + size[0] / 3, top + size[1] / 2)
        draw = ImageDraw.Draw(image)
        shape = draw.ellipse if i % 2 else draw.rectangle
        shape(box, int(random.integers(150, 256)))
        exif = Image.Exif()
        if i % 10 == 0:
            image = image.transpose(Image.Transpose.ROTATE_90)
            exif[0x0112] = 6
        image.save(folder / f"{i:03}.jpg", exif=exif, quality=95)


@pytest.fixture
def network():
    with quick_network():
        yield


@pytest.mark.slow
def test_rectangles_go_from_a_folder_to_a_verdict(tmp_path, network):
    pictures, workspace = tmp_path / "pictures", tmp_path / "workspace"
    write_shapes(pictures)
    command = ("run", "--preset", "digits", "--data", pictures, "--workspace", workspace, *SETTINGS)
    first = iadb(*command)
    assert first.exit_code == 0, first.output
    assert "held-out images of 24x16 in gray" in first.output
    (model,) = Workspace(workspace).serving.glob("[0-9]*")
    assert serving.check(model).returncode == 0
    assert draw_samples(read_model(model), range(3)).shape == (3, HEIGHT, WIDTH, 1)

    drawn = iadb("sample", "--workspace", workspace, "--count", 4, "-o", tmp_path / "4.png")
    assert drawn.exit_code == 0, drawn.output
    gap = 3  # around 24x16, enlarged twice
    expected = (2 * (2 * WIDTH + gap) + gap, 2 * (2 * HEIGHT + gap) + gap)
    assert Image.open(tmp_path / "4.png").size == expected

    # A folder of pictures of another size and the same model, against the same pictures.
    write_shapes(tmp_path / "others", 100, size=(30, 40))
    out = tmp_path / "judged"
    judged = iadb(
        *("evaluate", tmp_path / "others", "--baseline", model, "--real", pictures),
        *("--preset", "digits", *SETTINGS, "-o", out),
    )
    assert judged.exit_code in (0, exit_codes.NOT_BLESSED), judged.output
    metrics = json.loads((out / "metrics.json").read_text())
    assert metrics["shape"] == [HEIGHT, WIDTH, 1]
    assert metrics["baseline"]["status"] == "compared"

    again = iadb(*command)
    assert "Trainer            cached" in again.output
