"""What an image costs among few and among many is told apart from what a run costs without any."""

import pytest

from benchmarks.scale import NODES, WHOLE, Cost, compare

SIZES = (10_000, 100_000, 1_000_000)


def costs(size, milliseconds, bytes_per_image=0):
    cost = Cost(1.0, 20 + milliseconds * size / 1e3, 1_000 + bytes_per_image * size / 2**20)
    return dict.fromkeys((*NODES, WHOLE), cost)


def figures(runs):
    return {figure.name: figure for figure in compare(runs)}


def test_a_straight_line_has_one_cost_per_image_and_the_rest_is_fixed():
    found = figures({size: costs(size, 2) for size in SIZES})
    assert found["whole run, per image, 10,000 to 100,000"].value == pytest.approx(2)
    assert found["whole run, per image, 100,000 to 1,000,000"].value == pytest.approx(2)
    assert found["whole run, without images"].value == pytest.approx(20)
    assert found["whole run, slowdown"].value == pytest.approx(1)
    assert found["whole run, slowdown"].reached


@pytest.mark.parametrize(("milliseconds", "reached"), [(2.1, True), (2.5, False)])
def test_images_may_cost_ten_percent_more_among_many(milliseconds, reached):
    few, some, _ = SIZES
    runs = {few: costs(few, 2), some: costs(some, 2), 1_000_000: costs(1_000_000, milliseconds)}
    assert figures(runs)["StatisticsGen, slowdown"].reached == reached


@pytest.mark.parametrize(("growth", "reached"), [(290, True), (310, False)])
def test_every_node_has_a_bar_for_the_growth_of_its_memory(growth, reached):
    found = figures({size: costs(size, 2, growth) for size in SIZES})
    for node in (*NODES, WHOLE):
        figure = found[f"{node}, growth per image"]
        assert figure.value == pytest.approx(growth)
        assert figure.reached == reached


def test_two_sizes_give_no_slowdown_and_one_size_gives_nothing():
    two = figures({size: costs(size, 2) for size in SIZES[:2]})
    assert not [name for name in two if "slowdown" in name]
    assert not figures({10_000: costs(10_000, 2)})
