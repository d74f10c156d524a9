import io

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.choosing import look
from pipeline.cli import main
from tests.s3_server import BUCKET, REFUSED, environment, s3_server
from trainer.common import exit_codes

FOLDER = f"s3://{BUCKET}/pictures"


@pytest.fixture
def faulty(monkeypatch):
    """A server with twelve gray pictures of 40x40, as pyarrow finds it."""
    with s3_server() as (faulty, client):
        for index in range(12):
            picture = io.BytesIO()
            pixels = np.random.default_rng(index).integers(0, 256, (40, 40), np.uint8)
            Image.fromarray(pixels).save(picture, "PNG")
            client.put_object(Bucket=BUCKET, Key=f"pictures/{index}.png", Body=picture.getvalue())
        for name, value in environment(faulty.url).items():
            monkeypatch.setenv(name, value)
        yield faulty


def iadb(*args):
    return CliRunner().invoke(main, list(map(str, args)))


def test_a_configuration_is_chosen_for_images_in_s3_with_few_reads(faulty, monkeypatch):
    monkeypatch.setattr(look, "REMOTE_SAMPLE", 9)
    shown = iadb("config", "show", "--data", FOLDER)
    assert shown.exit_code == 0, shown.output
    assert f"{FOLDER}: 12 gray pictures of 40x40\n" in shown.output
    assert "data.resolution=32, data.channels=1" in shown.output
    read = {each for each in faulty.requests if each.startswith("GET") and ".png" in each}
    assert len(read) == 9


def test_a_run_without_access_to_s3_ends_in_one_line_before_anything_is_written(faulty, tmp_path):
    faulty.fail(REFUSED)
    workspace = tmp_path / "workspace"
    for settings in ([], ["--preset", "digits"]):
        run = iadb("run", "--data", FOLDER, "--workspace", workspace, *settings)
        assert run.exit_code == exit_codes.STORAGE, run.output
        error = run.output.strip().splitlines()[-1]
        assert f"{FOLDER}: the storage refuses or does not answer (" in error
        assert "INVALID_ACCESS_KEY_ID" in error
        assert "Traceback" not in run.output
        assert not (workspace / "metadata.db").exists()
