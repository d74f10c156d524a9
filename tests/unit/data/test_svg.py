import io
import sys

import pytest
from PIL import Image

from data.errors import DataError
from data.svg import NAMESPACE, render_png, require_renderer

SQUARE = '<path fill="#ff0000" d="M8 8h16v16H8z"/>'


def rendered(body, width=32, height=32):
    image = Image.open(io.BytesIO(render_png(body, width, height, 64)))
    assert image.size == (64, 64)
    assert image.mode == "RGBA"
    return image


def test_shapes_are_drawn_on_a_transparent_square():
    image = rendered(SQUARE)
    assert image.getpixel((32, 32)) == (255, 0, 0, 255)
    assert image.getpixel((4, 4))[3] == 0


def test_other_aspects_are_in_the_middle():
    image = rendered('<path d="M0 0h16v32H0z"/>', width=16)
    assert [image.getpixel((x, 32))[3] for x in (8, 24, 40, 56)] == [0, 255, 255, 0]


def test_gradients_filters_and_references_inside_the_file_are_drawn():
    image = rendered(
        '<defs><linearGradient id="a"><stop stop-color="#00ff00"/></linearGradient>'
        '<filter id="b"><feGaussianBlur stdDeviation="1"/></filter>'
        '<path id="c" fill="url(#a)" d="M8 8h16v16H8z"/></defs>'
        '<g filter="url(#b)"><use href="#c"/></g>'
    )
    assert image.getpixel((32, 32)) == (0, 255, 0, 255)
    assert 0 < image.getpixel((15, 32))[3] < 255


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ("<script>alert(1)</script>", "'script' is not allowed"),
        ('<image href="{file}" width="32" height="32"/>', "'image' is not allowed"),
        ('<image href="http://127.0.0.1:1/a.png"/>', "'image' is not allowed"),
        ('<filter id="a"><feImage href="{file}"/></filter>', "'feImage' is not allowed"),
        ("<style>@import url(http://127.0.0.1:1/a.css)</style>", "'style' is not allowed"),
        ('<svg width="1000000" height="1000000"/>', "'svg' is not allowed"),
        ('<path xmlns="http://other" d=""/>', "'path' is not allowed"),
        ('<use href="{file}#a"/>', "reference '{file}#a' is outside the file"),
        (
            '<use xmlns:x="http://www.w3.org/1999/xlink" x:href="//host/a"/>',
            "'//host/a' is outside",
        ),
        ('<!DOCTYPE a [<!ENTITY b SYSTEM "file:///etc/passwd">]><g>&b;</g>', "invalid token"),
        ("<g>&b;</g>", "undefined entity"),
        (f'</svg><svg xmlns="{NAMESPACE}">', "junk after document element"),
        ("<g>", "mismatched tag"),
        (f"{'<g>' * 2000}{'</g>' * 2000}", "nodes limit reached"),
        ('<g id="a"><use href="#b"/></g><g id="b"><use href="#a"/></g>', "nodes limit reached"),
    ],
)
def test_hostile_files_are_rejected_in_one_line(body, problem, tmp_path):
    file = tmp_path / "secret.png"
    Image.new("RGB", (8, 8), "red").save(file)
    body, problem = (text.replace("{file}", str(file)[:60]) for text in (body, problem))
    with pytest.raises(DataError, match=r"^rejected an SVG: ") as error:
        render_png(body, 32, 32, 64)
    assert problem in str(error.value)
    assert "\n" not in str(error.value)


def test_without_the_library_the_error_has_a_remedy(monkeypatch):
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    with pytest.raises(DataError, match=r"resvg-py is missing; .*pip install '\.\[svg\]'$"):
        require_renderer()
