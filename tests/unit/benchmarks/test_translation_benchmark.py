"""The comparison of translations: what counts as ahead, and that all of them train."""

import numpy as np
import pytest

from benchmarks import translation
from benchmarks.translators import reduce, train

NETWORK = {"channels": (8,), "blocks": 1, "attention": (False,), "norm_groups": 4}


def measured(psnr, ssim, kid):
    return {"psnr": psnr, "ssim": ssim, "kid": kid, "frechet_distance": 10 * kid}


@pytest.mark.parametrize(
    ("ours", "reached"),
    [
        (measured(21.6, 0.8, 0.1), [True] * 4),
        (measured(21.4, 0.8, 0.1), [False, True, True, True]),  # 1.6 dB behind the regression
        (measured(21.6, 0.6, 0.3), [True, False, False, False]),
    ],
)
def test_ours_has_to_be_ahead_of_both_but_for_some_psnr(ours, reached):
    found = {
        "bicubic": [measured(20, 0.7, 0.5)],
        "condition": [ours, ours],
        "map": [measured(0, 0, 9)] * 2,
        "regression": [measured(23, 0.9, 0.2)] * 2,
    }
    figures = list(translation._figures("clothes", found, whole=True))
    assert [f.reached for f in figures if ", condition" in f.name] == reached
    assert all(f.reached is None for f in figures if ", condition" not in f.name)
    shortened = translation._figures("clothes", found, whole=False)
    assert all(figure.reached is None for figure in shortened)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["condition", "map", "regression"])
def test_each_is_trained_for_a_time_and_translates_sources_of_any_number(name):
    images = np.random.default_rng(0).integers(0, 256, (100, 8, 8, 1)).astype(np.uint8)
    translate, steps = train(name, NETWORK, images, seconds=1, seed=0)
    assert steps > 1
    sources = reduce(images)[:7]
    results = translate(sources, 0)
    assert (results.shape, results.dtype) == (sources.shape, np.uint8)
    np.testing.assert_array_equal(translate(sources, 0), results)
    assert np.array_equal(translate(sources, 7), results) == (name != "condition")
