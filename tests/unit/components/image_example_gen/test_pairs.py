"""Which file is the source of which image."""

import pytest

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import ImageFile
from components.image_example_gen.pairs import check_apart, match
from components.image_example_gen.reasons import AMBIGUOUS, NO_IMAGE, NO_SOURCE
from components.image_example_gen.spans import ImageSource, Span, holdout_source


def matched(images, sources):
    """The path of each source by that of its image, and the reasons of the files set aside."""
    files = match(map(ImageFile, images), map(ImageFile, sources), "/sources")
    pairs = {file.path: file.source.path for file in files if file.source}
    return pairs, {file.path: file.problem for file in files if not file.source}


def test_a_source_has_the_path_of_its_image_up_to_the_ending():
    pairs, aside = matched(
        ["cats/a.png", "cats/b.v2.jpg", "a.PNG"], ["cats/a.jpg", "cats/b.v2.webp", "a.png"]
    )
    assert pairs == {
        "cats/a.png": "cats/a.jpg",
        "cats/b.v2.jpg": "cats/b.v2.webp",
        "a.PNG": "a.png",
    }
    assert not aside


def test_files_without_a_partner_are_set_aside():
    pairs, aside = matched(["a.png", "b.png"], ["a.png", "c.png", "x/b.png"])
    assert pairs == {"a.png": "a.png"}
    assert aside == {"b.png": NO_SOURCE, "/sources/c.png": NO_IMAGE, "/sources/x/b.png": NO_IMAGE}


def test_accents_of_macs_are_those_of_others():
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    pairs, aside = matched([f"{decomposed}/1.png"], [f"{composed}/1.jpg"])
    assert pairs == {f"{decomposed}/1.png": f"{composed}/1.jpg"}
    assert not aside


def test_a_name_of_several_files_of_a_folder_is_none():
    pairs, aside = matched(
        ["a.png", "a.jpg", "b.png", "c.png"], ["a.png", "b.png", "b.gif", "c.png"]
    )
    assert pairs == {"c.png": "c.png"}
    assert aside == dict.fromkeys(
        ["a.png", "a.jpg", "/sources/a.png", "b.png", "/sources/b.png", "/sources/b.gif"], AMBIGUOUS
    )


def test_a_name_whose_accents_a_folder_stores_in_two_ways_is_none():
    twice = ["caf\u00e9.png", "cafe\u0301.png"]
    for images, sources in ((twice, ["a.png"]), (["a.png"], twice)):
        pairs, aside = matched([*images, "b.png"], [*sources, "b.png"])
        assert pairs == {"b.png": "b.png"}
        assert list(aside.values()).count(AMBIGUOUS) == 2


def test_a_file_that_cannot_be_opened_keeps_its_reason():
    broken = ImageFile("a.png", problem="a link outside the folder")
    (file,) = match([broken], [], "/sources")
    assert file.problem == broken.problem


def test_names_are_those_in_the_span(noise, tmp_path):
    for place in ("data/span-1/a.png", "data/span-2/a.png", "source/span-1/a.jpg"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(0).save(path)
    (tmp_path / "source/span-2").mkdir()
    noise(0).save(tmp_path / "source/span-2/b.png")
    window = (Span(1, "span-1"), Span(2, "span-2"))
    source = ImageSource(str(tmp_path / "data"), window, sources=str(tmp_path / "source"))
    found = {file.path: file.source and file.source.path for file in source.list_files()}
    assert found == {
        "span-1/a.png": "span-1/a.jpg",
        "span-2/a.png": None,
        f"{tmp_path}/source/span-2/b.png": None,
    }


def test_an_earlier_span_may_have_no_folder_of_sources(noise, tmp_path):
    for place in ("data/span-1/a.png", "data/span-2/a.png", "source/span-2/a.jpg"):
        path = tmp_path / place
        path.parent.mkdir(parents=True, exist_ok=True)
        noise(0).save(path)
    earlier, newest = Span(1, "span-1"), Span(2, "span-2")
    data, sources = str(tmp_path / "data"), str(tmp_path / "source")
    files = ImageSource(data, (earlier, newest), sources=sources).list_files()
    assert {file.path: file.problem for file in files} == {
        "span-1/a.png": NO_SOURCE,
        "span-2/a.png": "",
    }
    with pytest.raises(ImageDataError, match="source/span-1: no such folder"):
        ImageSource(data, (earlier,), sources=sources).list_files()


def test_held_out_images_have_their_own_folder_of_sources(noise, tmp_path):
    for place in ("held-out", "sources"):
        (tmp_path / place / "cats").mkdir(parents=True)
        noise(0).save(tmp_path / place / "cats" / "a.png")
    (file,) = holdout_source(f"{tmp_path}/held-out/", f"{tmp_path}/sources").list_files()
    assert file.source.path == "cats/a.png"


def test_folders_without_a_common_name_are_a_one_line_error(noise, tmp_path):
    for place, name in (("data", "a"), ("source", "b\n")):
        (tmp_path / place).mkdir()
        noise(0).save(tmp_path / place / f"{name}.png")
    source = ImageSource(str(tmp_path / "data"), sources=str(tmp_path / "source"))
    message = r"source: no file is named like one in .*found 'b\\n.png' and 'a.png'"
    with pytest.raises(ImageDataError, match=message) as error:
        source.listing()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("sources", "relation"),
    [
        ("images", "in the same folder as"),
        ("images/", "in the same folder as"),
        ("link", "in the same folder as"),
        ("images/sources", "inside the folder of"),
        (".", "in a folder around"),
    ],
)
def test_sources_are_apart_from_images(tmp_path, sources, relation):
    (tmp_path / "images" / "sources").mkdir(parents=True)
    (tmp_path / "link").symlink_to("images")
    with pytest.raises(ImageDataError, match=relation):
        check_apart(str(tmp_path / "images"), f"{tmp_path}/{sources}")


def test_folders_whose_names_begin_alike_are_apart(tmp_path):
    check_apart(f"{tmp_path}/images", f"{tmp_path}/images-small")
    check_apart("s3://bucket/images", "s3://bucket/images-small")
    with pytest.raises(ImageDataError, match="inside"):
        check_apart("s3://bucket/images/", "s3://bucket/images/small")
