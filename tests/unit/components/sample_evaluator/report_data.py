"""The content of a complete report, as an example of the page's data contract."""

import functools

import numpy as np

from components.sample_evaluator.verdict.checks import KEPT, LEFT_OUT, MISSED, Check
from trainer.common.image_grid import grid_png

# As many as there may be: their table is wider than a phone.
CLASS_METRICS = ("kid", "frechet_distance", "precision", "recall", "density", "coverage")
OPTIONAL = ("spectrum", "kinds", "memorization", "classes", "seed_distance")  # may be null
HOSTILE = '<script>alert("x")</script><img src=http://example.com/x>'


def make_metric(candidate, *, larger_is_better=False, **others):
    nothing = ("baseline", "train", "noise", "stddev", "worsening", "margin")
    limits = ("minimum", "maximum", "max_worsening", "max_place")
    places = ("place", "place_margin", "best_place")
    return {
        "candidate": candidate,
        **dict.fromkeys([*nothing, *limits, *places]),
        "larger_is_better": larger_is_better,
        "unavailable": None,
        **others,
    }


def make_checks(**outcomes):
    """Checks as in metrics.json, by name, with their outcomes; other words say what was missed."""
    found = [
        Check(name, "max_place", *((each,) if each in (KEPT, LEFT_OUT) else (MISSED, each)))
        for name, each in outcomes.items()
    ]
    return [check._asdict() for check in found]


def make_summary(**changes):
    """The summary of a model that is not blessed, with every part; `changes` replace some."""
    summary = {
        "blessed": False,
        "mode": "auto",
        "reasons": ["kid 0.0312 exceeds 0.02", "recall 0.41 is below 0.5"],
        "warnings": ["the held-out images are few: differences of 1% cannot be seen"],
        "checks": [
            *make_checks(
                kid="Worse than the best model before it, by more than chance explains.",
                recall="recall 0.41 is below 0.5",
                coverage=KEPT,
                spectrum_distance="spectrum_distance is too near to noise",
                color_distance="Much darker than the data.",
                memorized_share=KEPT,
            ),
            Check("frechet_distance", "value", LEFT_OUT, "Not judged: too few images.")._asdict(),
        ],
        "evaluated": "2026-05-14T09:41:27+00:00",
        "shape": [32, 32, 3],
        "task": None,
        "folders": {
            "candidate": "/workspace/artifacts/Trainer/model/31",
            "real": "/srv/pictures",
            "train": "/srv/pictures, split by hash",
            "baseline": None,
        },
        "limits": "default",
        "features": "random_conv",
        "feature_settings": {"resolution": 32},
        "nb_step": 32,
        "seed": 7,
        "samples": 120,
        "images": {"real": 120, "candidate": 120, "baseline": 120, "train": 110, "noise": 120},
        "equal_to_held_out": 0,
        "model": {"uri": "/workspace/artifacts/Trainer/model/31"},
        "baseline": {"uri": "/workspace/artifacts/Trainer/model/12", "status": "compared"},
        "metrics": {
            "kid": make_metric(
                0.0312,
                baseline=0.0121,
                train=-0.0005,
                noise=1.93,
                stddev=0.0021,
                maximum=0.02,
                max_worsening=0.01,
                max_place=0.05,
                place=0.0164,
                place_margin=0.0041,
                best_place=0.0065,
            ),
            "frechet_distance": make_metric(
                None,
                unavailable="120 images are too few",
                max_place=0.05,
            ),
            "recall": make_metric(
                0.41,
                train=0.83,
                noise=0.0,
                minimum=0.5,
                larger_is_better=True,
                max_place=0.4,
                place=0.506,
                place_margin=0.05,
            ),
            "coverage": make_metric(
                0.97,
                train=0.95,
                noise=0.0,
                minimum=0.5,
                larger_is_better=True,
                max_place=0.4,
                place=-0.02,
                place_margin=0.02,
            ),
            "density": make_metric(0.9, larger_is_better=True),
            "spectrum_distance": make_metric(
                0.4,
                train=0.02,
                noise=5.0,
                max_place=0.03,
                place=0.076,
                place_margin=0.011,
            ),
            "color_distance": make_metric(
                7.0,
                train=1.0,
                noise=5.0,
                max_place=0.03,
                place=1.5,
                place_margin=0.1,
            ),
        },
        "spectrum": {
            "frequencies": [1, 2, 4, 8, 16],
            "candidate": [1.0, 0.98, 0.9, 0.7, 0.5],
            "baseline": [1.0, 0.97, 0.95, 0.93, 0.91],
            "train": [1.01, 1.0, 0.99, 1.0, 1.02],
            "noise": [0.01, 0.1, 3.0, 40.0, 271.0],
        },
        "kinds": {
            "by": "class",
            "accuracy": 0.93,
            "kinds": [
                {
                    "name": name,
                    "held_out": held_out,
                    "expected": held_out,
                    "estimated": estimated,
                    "missing": missing,
                }
                for name, held_out, estimated, missing in (
                    ("cat", 70, 101.5, False),
                    ("dog", 45, 18.5, False),
                    ("", 5, 0, True),
                )
            ],
            "unavailable": None,
        },
        "memorization": {
            "candidate": {"share": 0.025, "mirrored_share": 0.75, "distance_ratio": 0.94},
            "baseline": {"share": 0.0125, "mirrored_share": 0.5, "distance_ratio": 0.97},
            "maximum": 0.05,
        },
        "classes": {
            "cat": {"images": 70, "metrics": dict.fromkeys(CLASS_METRICS, 0.021)},
            "dog": {"images": 50, "metrics": {"kid": 0.043, "recall": None}},
        },
        "seed_distance": {"sentence": "an image is 7.1 gray levels from the one of the same seed"},
        "history": [
            {
                "model": f"/workspace/artifacts/Trainer/model/{i}",
                "evaluated": f"2026-05-{i:02d}",
                "metrics": {"kid": 0.1 / i, "coverage": 0.6 + 0.02 * i},
            }
            for i in (3, 7, 12)
        ],
    }
    assert set(changes) <= set(summary)
    return {**summary, **changes}


def make_bare_summary(**changes):
    """The summary of a first model, with no part that may be missing."""
    absent = dict.fromkeys(OPTIONAL)
    empty = {"warnings": [], "history": []}
    baseline = {"uri": None, "status": "there is none yet"}
    return make_summary(**{**absent, **empty, "baseline": baseline, **changes})


@functools.cache
def make_pictures():
    """Every picture, of noise."""
    images = np.random.default_rng(0).integers(0, 256, (100, 16, 16, 3), np.uint8)
    return {
        "samples": grid_png(images),
        "real": grid_png(images[::-1]),
        "nearest_pairs": grid_png(images[:20], columns=10),
        "trajectories": grid_png(images[:54], columns=9),
        "missing_kinds": grid_png(images[:10], columns=10),
        "worst_samples": grid_png(images[:16]),
    }
