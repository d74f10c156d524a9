from unittest.mock import Mock

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from pipeline.config.pipeline_config import load
from tests.small_network import build_unet

SMALL = (
    "model.channels=[16]",
    "model.attention=[false]",
    "model.norm_groups=4",
    "model.blocks=1",
    "train.steps=200",
    "train.warmup_steps=10",
    "train.learning_rate=0.003",
    "sample.nb_step=6",
)


def frames(path):
    with Image.open(path) as gif:
        for i in range(gif.n_frames):
            gif.seek(i)
            yield np.asarray(gif.convert("L"), np.float32)


@pytest.mark.slow
def test_noise_becomes_digits(tutorial, digits_folder, tmp_path):
    flowers = tutorial("flowers")
    config = load("digits", overrides=SMALL)
    flowers.run(config, digits_folder, tmp_path / "way.gif", count=16)
    noise, *_, images = states = list(frames(tmp_path / "way.gif"))
    assert len(states) == 7
    digits = flowers.read_images(digits_folder, config.data)
    # Strokes on black are darker than noise, and the more so to the edge.
    cells = images[:-4, :-4].reshape(4, 68, 4, 68)[:, 4:, :, 4:]
    edge = cells[:, :, :, :8].mean()
    assert digits[:, :, 0].mean() < 5
    assert edge < noise.mean() / 4
    assert abs(images.mean() - digits.mean()) < abs(noise.mean() - digits.mean()) / 2


@pytest.mark.slow
@pytest.mark.parametrize("preset", ["digits", "emoji32"])  # whose precision is auto
def test_the_command_takes_a_preset_and_steps(
    tutorial, digits_folder, tmp_path, monkeypatch, preset
):
    monkeypatch.setattr("trainer.build.build_unet", build_unet)
    gif, data = tmp_path / "way.gif", digits_folder
    if preset != "digits":
        data = tmp_path / "pictures"
        data.mkdir()
        Image.new("RGB", (64, 64), (255, 0, 0)).save(data / "1.png")
    arguments = ["--preset", preset, "--data", data, "--steps", 2, "--output", gif]
    result = CliRunner().invoke(tutorial("flowers").main, list(map(str, arguments)))
    assert result.exit_code == 0, result.output
    assert f"from noise to images: {gif}" in result.output
    assert f"model: {gif.with_suffix('.keras')}" in result.output
    assert gif.with_suffix(".keras").is_file()
    assert len(list(frames(gif))) == load(preset).sample.nb_step + 1


def test_the_folder_of_the_way_is_made_before_the_training(tutorial, digits_folder, tmp_path):
    flowers, gif = tutorial("flowers"), tmp_path / "ways" / "way.gif"

    def build(*_):
        assert gif.parent.is_dir()
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(flowers, "build_model", build)
        flowers.run(load("digits", overrides=SMALL), digits_folder, gif)


@pytest.mark.parametrize(
    ("option", "name", "message"),
    [
        ("--output", "way.mp4", "way.mp4: only .gif files are written"),
        ("--output", "no/way.gif", "no folder"),
        ("--data", "file", "is a file"),
    ],
)
def test_what_is_no_gif_or_folder_is_refused_before_the_training(
    tutorial, tmp_path, option, name, message
):
    (tmp_path / "file").touch()
    arguments = ["--data", tmp_path, option, tmp_path / name]
    result = CliRunner().invoke(tutorial("flowers").main, list(map(str, arguments)))
    assert result.exit_code == 2
    assert message in result.output


def test_the_model_is_saved_before_samples_are_drawn(
    tutorial, digits_folder, tmp_path, monkeypatch
):
    model = Mock()
    model.sample_iadb.side_effect = KeyboardInterrupt
    flowers = tutorial("flowers")
    monkeypatch.setattr(flowers, "build_model", lambda *_: model)
    with pytest.raises(KeyboardInterrupt):
        flowers.run(load("digits", overrides=SMALL), digits_folder, tmp_path / "way.gif")
    model.fit.assert_called_once()
    model.save.assert_called_once_with(tmp_path / "way.keras")


@pytest.mark.parametrize("preset", ["flowers102", "emoji"])
def test_images_of_any_size_become_batches(tutorial, tmp_path, preset):
    for size in ((80, 100), (300, 200)):
        Image.new("RGB", size, (255, 0, 0)).save(tmp_path / f"{size[0]}.png")
    (tmp_path / "LICENSE").write_text("no image")
    config = load(preset, overrides=["train.batch_size=3"])
    flowers = tutorial("flowers")
    images = flowers.read_images(tmp_path, config.data)
    assert images.shape == (2, 64, 64, 3)
    (batch,) = flowers.batches(images, config).take(1)
    red = np.broadcast_to(np.float32([1, -1, -1]), (3, 64, 64, 3))
    np.testing.assert_array_equal(batch["x1"], red)


def test_a_batch_has_how_its_images_are_augmented(tutorial):
    images = np.zeros((5, 64, 64, 3), "uint8")
    images[:, :, :32] = 255
    for augment, others in ((0, False), (0.15, True)):
        config = load("emoji", overrides=["train.batch_size=8", f"train.augment={augment}"])
        seen = set()
        for batch in tutorial("flowers").batches(images, config).take(4):
            codes = batch["augmentation"].numpy()
            left = batch["x1"].numpy()[:, :, :32].mean((1, 2, 3))
            np.testing.assert_array_equal(codes % 2, left < 0)
            seen |= set(codes.tolist())
        assert {0, 1} < seen if others else {0, 1} == seen


def test_a_folder_without_images_is_told(tutorial, tmp_path):
    result = CliRunner().invoke(tutorial("flowers").main, ["--data", str(tmp_path)])
    assert result.exit_code == 2
    assert "has no valid image" in result.output
