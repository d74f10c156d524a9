"""The report: self-contained, escaped, complete."""

import html.parser

import pytest
from report_data import HOSTILE, make_bare_summary, make_metric, make_pictures, make_summary

from components.sample_evaluator.report.page import Pictures, render

SECTIONS = [
    "Metrics",
    "Memorization",
    "Images",
    "Denoising error by alpha",
    "Classes",
    "History",
    "Setting",
]


class Elements(html.parser.HTMLParser):
    """Collects start tags with their attributes, and the text of each heading."""

    def __init__(self, page):
        super().__init__()
        self.found = []
        self.headings = []
        self._in_heading = False
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.found.append((tag, dict(attributes)))
        self._in_heading = tag in ("h1", "h2", "h3")

    def handle_data(self, data):
        if self._in_heading:
            self.headings.append((self.found[-1][0], data))
            self._in_heading = False

    def named(self, name):
        return [attributes for tag, attributes in self.found if tag == name]


@pytest.fixture(scope="module")
def page():
    return render(make_summary(), make_pictures())


def test_the_verdict_and_its_reasons_come_first(page):
    texts = ("Not blessed</h1>", "kid 0.0312 exceeds", "recall 0.41 is below", "<table")
    places = [page.index(text) for text in texts]
    assert places == sorted(places)
    assert "✓ Blessed</h1>" in render(make_summary(blessed=True), Pictures())


def test_a_warning_about_the_feature_space_follows_the_verdict():
    page = render(make_summary(features_warning="compared in random_conv <b>"), Pictures())
    assert "Warning: compared in random_conv &lt;b&gt;" in page
    assert "Warning" not in render(make_summary(), Pictures())


def test_headings_name_the_sections_in_their_order(page):
    assert Elements(page).headings == [
        ("h1", "✗ Not blessed"),
        *[("h2", name) for name in SECTIONS],
    ]


def test_what_is_missing_leaves_its_section_out():
    headings = Elements(render(make_bare_summary(), Pictures())).headings
    assert headings[1:] == [("h2", "Metrics"), ("h2", "Setting")]


def test_every_section_is_a_landmark_with_its_heading_as_name(page):
    elements = Elements(page)
    names = [section["aria-labelledby"] for section in elements.named("section")]
    assert names == [heading["id"] for heading in elements.named("h2")]
    assert len(elements.named("main")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "0.0312 ± 0.0021",
        "−0.0005",
        "1.93",
        "at most 0.02\nat most 0.01 worse than the baseline",
        "at least 0.5",
        "frechet_distance_inf has no value: 120 images are too few",
        "n = 120",
        "the limit for the candidate is\n0.05",  # memorization
        "0.0125",
        "<td>0.043</td>",  # a class
        "<td>0.35</td>",  # an error
        "2026-05-07",
        "/workspace/artifacts/Trainer/model/31",
    ],
)
def test_the_page_contains_each_number(page, text):
    assert text in page


def test_a_metric_without_limits_neither_passes_nor_fails():
    summary = make_bare_summary(metrics={"kid": make_metric(0.01)})
    page = render(summary, Pictures())
    assert "none</td>" in page
    assert "✓ yes" not in page
    assert "✗ no<" not in page


def test_each_metric_shows_its_direction():
    for larger_is_better, told in ((True, "larger is better"), (False, "smaller is better")):
        metric = make_metric(0.5, larger_is_better=larger_is_better)
        titles = Elements(render(make_bare_summary(metrics={"kid": metric}), Pictures()))
        assert [abbreviation["title"] for abbreviation in titles.named("abbr")] == [told]


def test_text_from_outside_is_not_markup():
    summary = make_summary(
        reasons=[HOSTILE],
        features=HOSTILE,
        model={"uri": HOSTILE},
        baseline={"uri": HOSTILE, "status": HOSTILE},
        metrics={HOSTILE: make_metric(0.1, unavailable=HOSTILE)},
        classes={HOSTILE: {"images": 1, "metrics": {HOSTILE: 0.1}}},
        history=[{"model": HOSTILE, "evaluated": HOSTILE, "metrics": {HOSTILE: 0.1}}],
    )
    page = render(summary, Pictures(samples=b"png"))
    elements = Elements(page)
    assert elements.named("script") == []
    assert all(image["src"].startswith("data:") for image in elements.named("img"))
    assert page.count("&lt;script&gt;") > 10


def test_the_page_loads_nothing_from_the_network(page):
    elements = Elements(page)
    links = [a.get("src") or a.get("href") for _, a in elements.found if {"src", "href"} & set(a)]
    links = [link for link in links if not link.startswith("#")]  # within a chart
    assert len(links) == 4
    assert all(link.startswith("data:image/png;base64,") for link in links)
    [policy] = [a for a in elements.named("meta") if a.get("http-equiv")]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'")


def test_every_picture_and_chart_has_a_text_alternative(page):
    elements = Elements(page)
    assert all(image["alt"] for image in elements.named("img"))
    charts = elements.named("svg")
    assert len(charts) == 3  # the error, and two metrics that earlier models have
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in charts)


def test_a_baseline_without_errors_has_no_line():
    errors = {**make_summary()["error_by_alpha"], "baseline": None}
    [chart, *_] = Elements(render(make_summary(error_by_alpha=errors), Pictures())).named("svg")
    assert "candidate: 0.3" in chart["aria-label"]
    assert "baseline" not in chart["aria-label"]
