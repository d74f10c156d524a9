"""The pages that the site adds, without mkdocs."""

import contextlib
import io
import runpy
import sys
import types

import pytest
from markdown_blocks import PROJECT


@pytest.fixture
def pages(monkeypatch):
    """Runs docs/site/pages.py; what it defines, and the text of each page in `written`."""
    written = {}

    @contextlib.contextmanager
    def open_page(path, mode):
        file = io.StringIO()
        yield file
        written[path] = file.getvalue()

    stand_in = types.SimpleNamespace(open=open_page)
    monkeypatch.setitem(sys.modules, "mkdocs_gen_files", stand_in)
    return runpy.run_path(PROJECT / "docs" / "site" / "pages.py") | {"written": written}


def test_a_description_that_begins_with_a_value_keeps_it_as_it_is_written(pages):
    page = pages["written"]["reference/configuration.md"]
    for shown in ("| off: no comparison",):
        assert shown in page
    assert "| Number of batches to train on" in page
    sentence = pages["_sentence"]
    assert sentence("crop keeps the center", "`crop`, `pad`") == "crop keeps the center"
    assert sentence("crop keeps the center") == "Crop keeps the center"
