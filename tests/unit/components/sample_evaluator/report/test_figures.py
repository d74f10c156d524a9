"""The pictures that show a fault stand beside the samples, all others after the numbers."""

import pytest
from report_data import make_bare_summary, make_checks, make_metric, make_pictures, make_summary

from components.sample_evaluator.report.figures import arrange

COPIED = make_checks(memorized_share="copies")
SPECTRUM = make_summary()["spectrum"]
KINDS = make_summary()["kinds"]


def failing(*names):
    metrics = {name: make_metric(0.4) for name in names}
    return {"metrics": metrics, "checks": make_checks(**dict.fromkeys(names, "missed"))}


def captions(figures):
    return [figure.caption for figure in figures]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (failing(), []),
        (failing() | {"checks": COPIED}, ["nearest to training images"]),
        (failing() | {"kinds": KINDS}, ["kinds that are missing"]),
        (failing("spectrum_distance") | {"spectrum": SPECTRUM}, ["Blurrier"]),
        (failing("coverage", "recall"), []),
        (failing("kid"), ["least like real images"]),
        (
            failing("kid") | {"checks": failing("kid")["checks"] + COPIED, "kinds": KINDS},
            ["nearest to training images", "kinds that are missing", "least like real images"],
        ),
    ],
)
def test_a_fault_is_shown_beside_the_samples(changes, words):
    figures = arrange(make_pictures(), make_bare_summary(**changes))
    assert captions(figures.first) == ["Samples, from seed 7", "Held-out images"]
    assert len(figures.faults) == len(words)
    for caption, expected in zip(captions(figures.faults), words, strict=True):
        assert expected in caption
    shown = [*figures.first, *figures.faults, *figures.others]
    assert len(shown) == 6 + ("spectrum" in changes)


def test_what_is_missing_is_not_shown():
    assert arrange({}, make_bare_summary(checks=COPIED)) == ([], [], [])


def test_samples_of_a_folder_have_no_seeds():
    figures = arrange(make_pictures(), make_summary(nb_step=None))
    assert captions(figures.first)[0] == "Samples, some of 120, chosen by hash"


def test_the_spectrum_is_a_chart_without_noise():
    summary = make_bare_summary(spectrum=SPECTRUM, metrics={}, checks=[])
    [figure] = arrange({}, summary).others
    assert [line.name for line in figure.chart.lines] == ["candidate", "baseline", "training"]
