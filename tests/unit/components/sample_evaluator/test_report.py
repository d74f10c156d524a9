"""The report: self-contained, escaped, complete."""

import html.parser

from components.sample_evaluator.gate import Verdict
from components.sample_evaluator.options import EvaluateOptions, Threshold
from components.sample_evaluator.report import render, summarize

HOSTILE = '<script>alert("x")</script><img src=http://example.com/x>'
PNG = b"\x89PNG\r\n\x1a\n"


class Elements(html.parser.HTMLParser):
    """Collects start tags with their attributes."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))

    def named(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


def make_summary(blessed=False, reasons=("kid 0.0312 exceeds 0.02",), uri="models/1"):
    counts = {"images": 120.0}
    values = {
        "real": counts,
        "candidate": {**counts, "kid": 0.0312, "frechet_distance_unavailable": "too few images"},
        "train": {**counts, "kid": -0.0005},
        "noise": {**counts, "kid": 1.93},
    }
    return summarize(
        values,
        Verdict(blessed, tuple(reasons), frozenset() if blessed else frozenset({"kid"})),
        EvaluateOptions(thresholds={"kid": Threshold(maximum=0.02)}),
        nb_step=32,
        model=uri,
        baseline={"uri": None, "status": "there is none yet"},
    )


def test_the_summary_has_null_where_there_is_no_number():
    summary = make_summary()
    assert summary["samples"] == 120
    assert summary["metrics"]["kid"] == {
        "candidate": 0.0312,
        "baseline": None,
        "train": -0.0005,
        "noise": 1.93,
        "maximum": 0.02,
        "max_increase": None,
        "passed": False,
        "unavailable": None,
    }
    distance = summary["metrics"]["frechet_distance"]
    assert distance["candidate"] is None
    assert distance["unavailable"] == "too few images"


def test_the_verdict_and_its_reasons_come_first():
    page = render(make_summary(), PNG, PNG)
    places = [page.index(text) for text in ("Not blessed</h1>", "kid 0.0312 exceeds", "<table>")]
    assert places == sorted(places)
    assert "✓ Blessed</h1>" in render(make_summary(blessed=True), PNG, PNG)


def test_the_table_holds_every_number():
    page = render(make_summary(), PNG, PNG)
    for text in ("0.0312", "−0.0005", "1.93", "0.02", "frechet_distance has no value: too few"):
        assert text in page


def test_text_from_outside_is_no_markup():
    page = render(make_summary(reasons=[HOSTILE], uri=HOSTILE), PNG, PNG)
    elements = Elements(page)
    assert elements.named("script") == []
    assert all(image["src"].startswith("data:") for image in elements.named("img"))
    assert page.count("&lt;script&gt;") == 2


def test_the_page_asks_nothing_of_the_network():
    elements = Elements(render(make_summary(), PNG, PNG))
    links = [a.get("src") or a.get("href") for _, a in elements.found if {"src", "href"} & set(a)]
    assert len(links) == 2
    assert all(link.startswith("data:image/png;base64,") for link in links)
    [policy] = [a for a in elements.named("meta") if a.get("http-equiv")]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'")


def test_images_have_alternative_texts_and_may_be_missing():
    assert all(image["alt"] for image in Elements(render(make_summary(), PNG, PNG)).named("img"))
    assert Elements(render(make_summary(), None, None)).named("img") == []
