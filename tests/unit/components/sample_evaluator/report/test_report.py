"""The report: self-contained, escaped, complete."""

import html.parser

import pytest
from report_data import (
    HOSTILE,
    OPTIONAL,
    make_bare_summary,
    make_checks,
    make_metric,
    make_pictures,
    make_summary,
)

from components.sample_evaluator.report.page import render
from components.sample_evaluator.verdict.checks import KEPT, LEFT_OUT

SECTIONS = [
    "Images",
    "What was judged",
    "Classes of images",
    "All numbers",
    "History",
    "More images",
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
        self._in_heading = tag in ("h1", "h2")

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
    texts = (
        "Not blessed</h1>",
        "kid 0.0312 exceeds",
        "recall 0.41 is below",
        "the held-out images are few",
        "Judged 2026-05-14 09:41 UTC · /workspace/artifacts/Trainer/model/31 · 32x32 pixels, "
        "color · 120 samples (seeds from 7, 32 solver steps) · beside 120 held-out, "
        "110 training images",
        "Features random_conv (resolution 32) · limits default · baseline: compared "
        "(/workspace/artifacts/Trainer/model/12) · real: /srv/pictures",
        "<img",
        "<article",
        "<table",
    )
    places = [page.index(text) for text in texts]
    assert places == sorted(places)
    assert "✓ Blessed</h1>" in render(make_summary(blessed=True), {})


def test_a_warning_follows_the_verdict():
    page = render(make_summary(warnings=["compared in random_conv <b>"]), {})
    assert "⚠ compared in random_conv &lt;b&gt;" in page
    assert "Warning" not in render(make_summary(), {})


def test_the_baseline_of_a_student_is_called_its_teacher_only_in_a_pipeline(page):
    said = "This model is a student, and in a pipeline the baseline is its teacher:"
    assert f"<p>{said}\nan image is 7.1 gray levels" in page
    assert "is a student" not in render(make_bare_summary(), {})


def test_headings_name_the_sections_in_their_order(page):
    assert Elements(page).headings == [
        ("h1", "✗ Not blessed"),
        *[("h2", name) for name in SECTIONS],
    ]


def test_what_is_missing_leaves_its_section_out():
    headings = Elements(render(make_bare_summary(), {})).headings
    assert headings[1:] == [("h2", "What was judged"), ("h2", "All numbers")]


def test_every_section_is_a_landmark_with_its_heading_as_name(page):
    elements = Elements(page)
    names = [section["aria-labelledby"] for section in elements.named("section")]
    assert names == [heading["id"] for heading in elements.named("h2")]
    assert len(elements.named("main")) == 1


@pytest.mark.parametrize(
    "text",
    [
        "<td>0.0312 ± 0.0021</td><td>0.0121</td><td>−0.0005</td><td>1.93</td>",
        "1.6% ± 0.41% of the way to noise; at most 5% of the way; at most 0.02; at most 0.01 worse",
        "frechet_distance has no value: 120 images are too few",
        "n = 120",
        "2.5% of the samples; at most 5%; 75% of the copies are mirrored",
        "<td>0.043</td>",  # a class
        "2026-05-07</th><td>0.01429</td><td>0.74</td><td>/workspace/artifacts/Trainer/model/7",
        "now</th><td>0.0312</td><td>0.97</td><td>/workspace/artifacts/Trainer/model/31",
    ],
)
def test_the_page_contains_each_number(page, text):
    assert text in page


@pytest.mark.parametrize(
    ("outcome", "mark"),
    [
        ("kid is too far", "✗ missed"),
        (KEPT, "✓ kept"),
        (LEFT_OUT, "left out"),
        (None, None),
    ],
)
def test_the_outcome_is_that_of_the_checks_and_not_that_of_the_limits(outcome, mark):
    checks = make_checks(**{"kid": outcome} if outcome else {})
    metrics = {"kid": make_metric(0.4, maximum=0.5)}
    page = render(make_bare_summary(metrics=metrics, checks=checks), {})
    for text in ("✗ missed", "✓ kept", "left out"):
        assert (f"{text}</span>" in page) == (text == mark)
    assert ("<article" in page) == (outcome is not None)


def test_control_characters_of_names_are_shown_and_turn_no_text_around():
    classes = {"a\u202etac": {"images": 3, "metrics": {}}}
    page = render(make_summary(classes=classes), {})
    assert "\u202e" not in page
    assert "a\\u202etac" in page


def test_what_was_left_out_is_said_once(page):
    assert page.count("Not judged: too few images.") == 1


def test_missing_kinds_come_first(page):
    rows = ["✗ (no label)</th><td>5</td><td>5</td><td>0</td>", "cat</th><td>70</td>"]
    assert page.index(rows[0]) < page.index(rows[1])
    assert "for 93% of the held-out images" in page


def test_a_class_without_an_estimate_is_not_taken_for_one_that_was_not_drawn():
    kind = {"name": "dog", "held_out": 8, "expected": 8.0, "estimated": None, "missing": False}
    kinds = {"by": "class", "accuracy": 0.9, "kinds": [kind], "unavailable": None}
    page = render(make_bare_summary(kinds=kinds), {})
    assert "<td>8</td><td>8</td><td>–</td>" in page
    assert "–: not counted" in page


def test_a_model_without_labels_has_a_table_of_missing_clusters():
    kind = {"name": "1", "held_out": 8, "expected": 17.6, "estimated": 3.5, "missing": True}
    kinds = {"by": "cluster", "accuracy": None, "kinds": [kind], "unavailable": None}
    page = render(make_bare_summary(kinds=kinds), {})
    assert "Clusters of images</h2>" in page
    assert '<th scope="row">✗ 1</th><td>8</td><td>17.6</td><td>3.5</td>' in page
    page = render(make_bare_summary(kinds={**kinds, "kinds": []}), {})
    assert "No cluster of training images that look alike is missing" in page


def test_kinds_that_could_not_be_counted_say_why():
    kinds = {"by": None, "accuracy": None, "kinds": [], "unavailable": "only 60 images"}
    page = render(make_bare_summary(kinds=kinds), {})
    assert "Kinds of images were not counted: only 60 images" in page


@pytest.mark.parametrize("name", OPTIONAL)
def test_any_part_may_be_null(name):
    assert ">None" not in render(make_summary(**{name: None}), make_pictures())


@pytest.mark.parametrize(
    "name", ["candidate", "baseline", "stddev", "worsening", "margin", "place", "best_place"]
)
def test_a_number_of_a_metric_may_be_null(name):
    metrics = {key: found | {name: None} for key, found in make_summary()["metrics"].items()}
    page = render(make_summary(metrics=metrics, spectrum=None), {})
    assert ">None" not in page
    assert ">nan" not in page


def test_a_spectrum_without_samples_is_not_shown():
    spectrum = make_summary()["spectrum"]
    assert "Blurrier than the data: 60%" in render(make_summary(), {})
    del spectrum["candidate"]
    assert "cycles per image" not in render(make_summary(spectrum=spectrum), {})


def test_each_metric_shows_its_direction():
    for larger_is_better, told in ((True, "kid ↑<"), (False, "kid ↓<")):
        metric = make_metric(0.5, larger_is_better=larger_is_better)
        assert told in render(make_bare_summary(metrics={"kid": metric}, checks=[]), {})


def test_text_from_outside_is_not_markup():
    summary = make_summary(
        reasons=[HOSTILE] * 9,
        warnings=[HOSTILE],
        evaluated=HOSTILE,
        folders={"real": HOSTILE, HOSTILE: "x"},
        limits=HOSTILE,
        feature_settings={HOSTILE: HOSTILE},
        kinds={
            "by": HOSTILE,
            "accuracy": 0.5,
            "kinds": [
                {"name": HOSTILE, "held_out": 1, "expected": 1, "estimated": 1, "missing": True}
            ],
            "unavailable": HOSTILE,
        },
        features=HOSTILE,
        model={"uri": HOSTILE},
        baseline={"uri": HOSTILE, "status": HOSTILE},
        metrics={"kid": make_metric(0.1, unavailable=HOSTILE)},
        checks=make_checks(kid=HOSTILE),
        classes={HOSTILE: {"images": 1, "metrics": {"kid": 0.1}}},
        history=[{"model": HOSTILE, "evaluated": HOSTILE, "metrics": {"kid": 0.1}}],
    )
    page = render(summary, {"samples": b"png"})
    elements = Elements(page)
    assert elements.named("script") == []
    assert all(image["src"].startswith("data:") for image in elements.named("img"))
    assert page.count("&lt;script&gt;") > 20


def test_the_page_loads_nothing_from_the_network(page):
    elements = Elements(page)
    links = [a.get("src") or a.get("href") for _, a in elements.found if {"src", "href"} & set(a)]
    links = [link for link in links if not link.startswith("#")]  # within a chart
    assert len(links) == 6
    assert all(link.startswith("data:image/png;base64,") for link in links)
    [policy] = [a for a in elements.named("meta") if a.get("http-equiv")]
    assert policy["http-equiv"] == "Content-Security-Policy"
    assert policy["content"].startswith("default-src 'none'")


def test_every_picture_and_chart_has_a_text_alternative(page):
    elements = Elements(page)
    assert all(image["alt"] for image in elements.named("img"))
    charts = elements.named("svg")
    assert len(charts) == 7  # bars of five metrics and of the copies, the spectrum
    bars = [chart for chart in charts if chart.get("aria-hidden")]  # the text below says the same
    assert len(bars) == 6
    described = [chart for chart in charts if chart not in bars]
    assert all(chart["role"] == "img" and chart["aria-label"] for chart in described)
