"""The page of a model card, which anyone who may write to the workspace may have changed."""

import html.parser

import pytest
from dashboard_story import HOSTILE, HOSTILE_CARD, record_everything

from pipeline.monitoring.dashboard import card
from pipeline.monitoring.dashboard.card import read_card
from pipeline.monitoring.dashboard.collect import collect
from trainer.names import CARD_SAMPLES, MODEL_CARD

PNG = b"\x89PNG of samples"
TEXT_ALONE = {"h1", "p", "em", "strong", "code", "pre", "table", "thead", "tbody", "tr", "th", "td"}


class Elements(html.parser.HTMLParser):
    """The elements of a card with their attributes, and its text."""

    def __init__(self, content):
        super().__init__()
        self.found, self.text = [], ""
        self.feed(content)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data


def elements_of(folder, text, samples=PNG):
    (folder / MODEL_CARD).write_text(text, "utf-8")
    if samples:
        (folder / CARD_SAMPLES).write_bytes(samples)
    return Elements(str(read_card(folder, folder / MODEL_CARD).body))


def test_hostile_text_becomes_no_element(tmp_path):
    elements = elements_of(tmp_path, HOSTILE_CARD, samples=None)
    assert {tag for tag, _ in elements.found} <= TEXT_ALONE
    attributes = {name for _, given in elements.found for name in given}
    assert attributes <= {"class"}
    assert "<script>alert" in elements.text
    assert "\x1b" not in elements.text and "\u202e" not in elements.text


@pytest.mark.parametrize(
    "link",
    [
        "[text](https://example.com)",
        "[text](javascript:alert(1))",
        "[text][to]\n\n[to]: https://example.com",
        "![text](https://example.com/text.png)",
        "![text](data:image/png;base64,AAAA)",
    ],
)
def test_links_and_foreign_pictures_are_their_text(tmp_path, link):
    elements = elements_of(tmp_path, link)
    assert not {"a", "img"} & {tag for tag, _ in elements.found}
    assert "text" in elements.text


def test_its_samples_are_in_the_page(tmp_path):
    (picture,) = [
        given for tag, given in elements_of(tmp_path, '![a "b"](samples.png)').found if tag == "img"
    ]
    assert picture == {"src": "data:image/png;base64,iVBORyBvZiBzYW1wbGVz", "alt": 'a "b"'}


def test_the_head_is_apart_from_the_text(tmp_path):
    (tmp_path / MODEL_CARD).write_text("---\nlicense: <b>\n---\n\n# Model\n")
    found = read_card(tmp_path, tmp_path / MODEL_CARD)
    assert (found.head, found.body) == ("license: <b>\n", "<h1>Model</h1>\n")
    assert read_card(tmp_path, tmp_path / "other.md") is None


def test_what_is_too_large_for_a_page_is_left_out(tmp_path, monkeypatch):
    monkeypatch.setattr(card, "MAX_SAMPLES", 10)
    assert "img" not in dict(elements_of(tmp_path, "![a](samples.png)").found)
    (tmp_path / MODEL_CARD).write_text("x" * (card.MAX_CARD + 1))
    assert read_card(tmp_path, tmp_path / MODEL_CARD) is None


def test_the_page_of_a_model_links_to_its_card(story):
    record_everything(story, HOSTILE)
    (version,) = (each for each in story.workspace.serving.iterdir() if each.name.isdigit())
    (number,) = (
        each.model.number for each in collect(story.workspace).models if each.model.versions
    )
    model, path = f"models/{number}.html", f"cards/{number}.html"
    assert path not in story.site().paths()
    (version / MODEL_CARD).write_text("# Model\n")
    assert f'href="../{path}"' in story.site().page(model).content.decode()
    page = story.site().page(path).content.decode()
    assert f"serving/{version.name}/MODEL_CARD.md" in page
    (version / MODEL_CARD).unlink()
    assert path not in story.site().paths()
