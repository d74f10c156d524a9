"""The pictures that show a fault stand beside the samples, all others after the numbers."""

import pytest
from report_data import make_bare_summary, make_metric, make_pictures, make_summary

from components.sample_evaluator.report.figures import Pictures, arrange

COPIED = {"candidate": {"share": 0.9, "mirrored_share": 0.0}, "maximum": 0.05}
SPECTRUM = make_summary()["spectrum"]
KINDS = make_summary()["kinds"]


def failing(*names):
    return {name: make_metric(0.4, status="failed") for name in names}


def captions(figures):
    return [figure.caption for figure in figures]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"metrics": {}}, []),
        ({"metrics": {}, "memorization": COPIED}, ["nearest to training images"]),
        ({"metrics": {}, "kinds": KINDS}, ["kinds that are missing"]),
        ({"metrics": failing("spectrum_distance"), "spectrum": SPECTRUM}, ["Blurrier"]),
        ({"metrics": failing("coverage", "recall")}, []),
        ({"metrics": failing("kid")}, ["least like real images"]),
        (
            {"metrics": failing("kid"), "memorization": COPIED, "kinds": KINDS},
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
    assert arrange(Pictures(), make_bare_summary(memorization=COPIED)) == ([], [], [])


def test_samples_of_a_folder_have_no_seeds():
    figures = arrange(make_pictures(), make_summary(nb_step=None))
    assert captions(figures.first)[0] == "Samples, some of 120, chosen by hash"


def test_the_spectrum_is_a_chart_without_noise():
    [figure] = arrange(Pictures(), make_bare_summary(spectrum=SPECTRUM, metrics={})).others
    assert (
        'aria-label="Power relative to held-out images. At cycles per image 1, 2, 4, 8, 16: '
        in (figure.chart)
    )
    assert "baseline: 1, 0.97, 0.95, 0.93, none; training: 1.01" in figure.chart
    assert "noise" not in figure.chart
