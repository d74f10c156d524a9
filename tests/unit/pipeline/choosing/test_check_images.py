"""The folders of a run with sources that are not paired, before anything is started."""

import pytest

from components.image_example_gen.errors import ImageDataError
from pipeline.choosing.check import check_images
from pipeline.config.sections import DataConfig


@pytest.fixture
def data_of(tmp_path):
    """Images of the spans 1 and 2, an empty span 4, and sources: settings -> the section."""
    for name in ("images/1/a.png", "images/2/a.png", "sources/s-2/a.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        (tmp_path / name).touch()
    for name in ("images/4", "nothing"):
        (tmp_path / name).mkdir()
    folders = {"folder": str(tmp_path / "images"), "source": str(tmp_path / "sources")}

    def make(**settings):
        return DataConfig(**(folders | {"pattern": "{SPAN}", "pairing": "none"} | settings))

    return make


@pytest.mark.parametrize("settings", [{"exclude": (4,)}, {"span": 2}, {"span": 1}])
def test_spans_with_images_and_sources_are_accepted(data_of, settings):
    check_images(data_of(**settings))


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "{folder}/images/4: no image files below this folder"),
        ({"span": 2, "source": "{folder}/nothing"}, "{folder}/nothing: no image files below this"),
        ({"span": 7}, "span 7 was requested but has no folder; the spans range from 1 to 4"),
    ],
)
def test_spans_without_images_or_sources_are_a_one_line_error(data_of, tmp_path, settings, said):
    settings = {
        key: value.format(folder=tmp_path) if isinstance(value, str) else value
        for key, value in settings.items()
    }
    with pytest.raises(ImageDataError) as error:
        check_images(data_of(**settings))
    assert str(error.value).startswith(said.replace("{folder}", str(tmp_path)))
    assert "\n" not in str(error.value)
