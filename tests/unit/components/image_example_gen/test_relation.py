import pytest

from components.image_example_gen.folders.storage import relate


@pytest.mark.parametrize(
    ("one", "other", "relation"),
    [
        ("/images", "/images/", "same"),
        ("/images/new", "/images", "inside"),
        ("/images", "/images/new", "around"),
        ("/images-small", "/images", None),
        ("/images", "/", "inside"),
        ("s3://bucket/images/new", "s3://bucket/images/", "inside"),
        ("s3://bucket/images", "s3://other/images", None),
    ],
)
def test_a_folder_is_another_in_it_around_it_or_apart(one, other, relation):
    assert relate(one, other) == relation


def test_links_are_followed(tmp_path):
    (tmp_path / "images" / "new").mkdir(parents=True)
    (tmp_path / "link").symlink_to("images")
    assert relate(f"{tmp_path}/link/new", f"{tmp_path}/images") == "inside"
