"""A kind of image that a model leaves out is found, and no other is suspected."""

import numpy as np
import pytest
from sklearn.datasets import load_digits

from components.metrics.arrays import MetricError
from components.metrics.kinds import (
    MAX_EXAMPLES,
    MIN_EXPECTED,
    Kinds,
    class_shares,
    missing_clusters,
)

SEEDS = range(20)
SIDE = 12  # of the shapes
SHAPES = ("disc", "bar", "cross", "ring")


def digits():
    found = load_digits()
    return found.data.astype(np.float32), found.target.astype(str)


def shapes(count=1600):
    """Pixels of shapes near the center, in any gray on black, with noise; and their names."""
    rng = np.random.default_rng(0)
    kinds = np.arange(count) % len(SHAPES)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    images = []
    for kind in kinds:
        y, x = rng.uniform(SIDE / 2 - 1.5, SIDE / 2 + 0.5, 2)
        radius, gray = rng.uniform(3, 4.5), rng.uniform(100, 255)
        down, right = np.abs(rows - y), np.abs(columns - x)
        distance = np.hypot(down, right)
        inside = (
            distance < radius,
            (down < 1.5) & (right < radius),
            ((down < 1) | (right < 1)) & (np.maximum(down, right) < radius),
            np.abs(distance - radius) < 1,
        )[kind]
        images.append(gray * inside + rng.normal(0, 10, inside.shape))
    return np.reshape(images, (count, -1)).astype(np.float32), np.array(SHAPES)[kinds]


@pytest.fixture(scope="module", params=[digits, shapes])
def stock(request):
    return request.param()


def split(stock, seed, count=300):
    """Training, held-out and other images, each with labels."""
    vectors, labels = stock
    order = np.random.default_rng(seed).permutation(len(labels))
    parts = order[: -3 * count], order[-3 * count : -2 * count], order[-2 * count :]
    return [(vectors[rows], labels[rows]) for rows in parts]


def missing(kinds):
    return {kind.name for kind in kinds.kinds if kind.missing}


def left_out(others, name, share=0.0, count=300):
    """Images of which a class has only a share of its own."""
    vectors, labels = others
    kept = round(share * count * (labels == name).mean())
    return np.concatenate([vectors[labels == name][:kept], vectors[labels != name]])[:count]


@pytest.mark.parametrize("seed", SEEDS)
def test_a_class_that_is_left_out_is_missing_and_no_other(stock, seed):
    train, real, others = split(stock, seed)
    names = np.unique(stock[1])
    name = str(names[seed % len(names)])
    found = class_shares(*train, *real, left_out(others, name))
    assert (found.by, missing(found)) == ("class", {name})
    assert found.accuracy > 0.9
    [kind] = [kind for kind in found.kinds if kind.missing]
    assert kind.estimated < 0.05 * kind.expected
    assert kind.held_out == kind.expected == (real[1] == name).sum()
    assert len(kind.examples) == MAX_EXAMPLES
    assert set(real[1][list(kind.examples)]) == {name}
    few = left_out(others, name, share=0.09)
    assert missing(class_shares(*train, *real, few)) == {name}


@pytest.mark.parametrize("share", [0, 0.09])
def test_without_labels_a_class_that_is_left_out_is_mostly_missing(stock, share):
    names, found = np.unique(stock[1]), 0
    for seed in SEEDS:
        (train, _), (real, labels), others = split(stock, seed)
        name = str(names[seed % len(names)])
        kinds = missing_clusters(train, real, left_out(others, name, share)).kinds
        found += bool(kinds) and (labels[list(kinds[0].examples)] == name).mean() >= 0.5
    assert found >= 16


@pytest.mark.parametrize("seed", SEEDS)
def test_good_images_lack_no_kind(stock, seed):
    train, real, (others, _) = split(stock, seed)
    by_class = class_shares(*train, *real, others[:300])
    assert not missing(by_class)
    assert not any(kind.examples for kind in by_class.kinds)
    assert sum(kind.estimated for kind in by_class.kinds) == pytest.approx(300)
    assert sum(kind.expected for kind in by_class.kinds) == pytest.approx(300)
    assert missing_clusters(train[0], real[0], others[:300]) == Kinds("cluster")


@pytest.mark.parametrize("seed", SEEDS[:5])
def test_of_a_single_class_all_others_are_missing(stock, seed):
    train, real, others = split(stock, seed)
    name = others[1][0]
    one = others[0][others[1] == name]
    generated = one[np.arange(300) % len(one)]
    found = class_shares(*train, *real, generated)
    judged = {kind.name for kind in found.kinds if kind.expected >= MIN_EXPECTED}
    assert missing(found) == judged - {name}
    assert len(missing(missing_clusters(train[0], real[0], generated))) >= 2


@pytest.mark.parametrize("share", [0.5, 0.8])
def test_labels_that_say_nothing_of_the_images_are_no_classes(stock, share):
    """Folders of splits or dates: a classifier finds the larger one in every image."""
    (train, _), (real, labels), others = split(stock, 0)
    generator = np.random.default_rng(0)
    drawn = [np.where(generator.random(len(x)) < share, "a", "b") for x in (train, real)]
    name = str(np.unique(labels)[0])
    found = class_shares(train, drawn[0], real, drawn[1], left_out(others, name))
    assert found == missing_clusters(train, real, left_out(others, name))


def test_the_number_of_generated_images_may_differ():
    train, real, (others, labels) = split(digits(), 0)
    zeros = labels != "0"
    found = class_shares(*train, *real, others[zeros][:150])
    [zero] = [kind for kind in found.kinds if kind.name == "0"]
    assert zero.expected == zero.held_out / 2
    assert sum(kind.estimated for kind in found.kinds) == pytest.approx(150)


@pytest.mark.parametrize("seed", range(8))
def test_of_many_classes_that_overlap_none_is_suspected(seed):
    rng = np.random.default_rng(seed)
    centers = 0.35 * rng.normal(size=(20, 32))

    def draw(labels):
        return np.float32(centers[labels] + rng.normal(size=(len(labels), 32)))

    known, held_out = (np.arange(count) % 20 for count in (1200, 400))
    real = draw(known), known.astype(str), draw(held_out), held_out.astype(str)
    kinds = class_shares(*real, draw(held_out))
    assert 0.4 < kinds.accuracy < 0.6
    assert missing(kinds) == set()


def test_samples_of_the_classes_that_they_were_asked_for_are_told_from_others(stock):
    train, real, (others, labels) = split(stock, 0)
    generated, asked = others[:300], labels[:300]
    assert class_shares(*train, *real, generated).followed is None
    assert class_shares(*train, *real, generated, asked).followed == pytest.approx(1, abs=0.1)
    shuffled = np.random.default_rng(0).permutation(asked)
    assert class_shares(*train, *real, generated, shuffled).followed == pytest.approx(0, abs=0.15)
    some = np.where(np.arange(len(asked)) % 2, asked, "")
    assert class_shares(*train, *real, generated, some).followed == pytest.approx(1, abs=0.1)
    few = np.where(np.arange(len(asked)) % 4, "", asked)
    assert class_shares(*train, *real, generated, few).followed is None
    names = np.unique(asked)
    wrong = names[(np.searchsorted(names, asked) + 1) % len(names)]
    assert class_shares(*train, *real, generated, wrong).followed < 0


def ignored(counts, held_out=500, unlabeled=0):
    """The kinds of a model that ignores labels, of so many images of classes that are far apart."""
    rng = np.random.default_rng(0)
    centers = 4 * rng.normal(size=(len(counts), 32))
    shares = np.array(counts) / sum(counts)

    def draw(count):
        labels = rng.choice(len(counts), count, p=shares)
        return np.float32(centers[labels] + rng.normal(size=(count, 32))), labels.astype(str)

    train, real, (generated, labels) = draw(1500), draw(held_out), draw(held_out)
    train[1][:unlabeled] = ""
    return class_shares(*train, *real, generated, rng.permutation(labels))


def test_labels_that_are_ignored_are_found_where_kinds_are_clusters():
    for kinds in (ignored([1] * 10, unlabeled=1), ignored([1] * 100)):
        assert kinds.by == "cluster"
        assert abs(kinds.followed) + 2 * kinds.followed_error < 0.25
    for counts in ([90, 10], [95, 5]):
        kinds = ignored(counts, held_out=1000)
        assert (kinds.by, kinds.accuracy) == ("class", pytest.approx(1, abs=0.01))
        assert abs(kinds.followed) < 0.2
    assert ignored([1] * 300).followed is None  # a classifier would take minutes


def test_whether_labels_are_followed_needs_enough_held_out_images_of_several_classes():
    rng = np.random.default_rng(0)
    labels = rng.choice(2, 600).astype(str)
    train, real, generated = (np.float32(rng.normal(size=(600, 8))) for _ in range(3))
    for images in (train, real, generated):
        images[:, 0] += 8 * labels.astype(float)
    one = np.full(600, "1")
    assert class_shares(train, labels, real, one, generated, labels).followed is None
    few = np.where(np.arange(600) < 99, labels, "")
    assert class_shares(train, labels, real, few, generated, labels).followed is None
    enough = np.where(np.arange(600) < 100, labels, "")
    found = class_shares(train, labels, real, enough, generated, labels).followed
    assert found == pytest.approx(1, abs=0.05)


def test_classes_that_cannot_be_told_apart_are_not_judged():
    rng = np.random.default_rng(0)
    train, real, generated = (rng.standard_normal((n, 8)) for n in (600, 200, 200))
    train_labels, real_labels = (rng.choice(["a", "b", "c"], len(x)) for x in (train, real))
    found = class_shares(train, train_labels, real, real_labels, generated)
    assert not missing(found)
    apart = train.copy()
    apart[train_labels == "a", 0] += 9
    held_out = real.copy()
    held_out[real_labels == "a", 0] += 9
    found = class_shares(apart, train_labels, held_out, real_labels, generated)
    assert (found.by, missing(found)) == ("class", {"a"})


def test_a_class_that_is_hardly_recognized_has_no_estimate():
    rng = np.random.default_rng(1)
    labels = np.repeat(["a", "b", "rare"], [280, 280, 40])
    centers = np.repeat([0.0, 9.0, 0.0], [280, 280, 40])  # the rare class looks like `a`
    real_labels, shifts = labels[::2], centers[::2]
    train, real, generated = (
        rng.standard_normal((len(x), 4)) + x[:, None] for x in (centers, shifts, shifts)
    )
    found = class_shares(train, labels, real, real_labels, generated)
    assert [kind.estimated is None for kind in found.kinds] == [False, False, True]
    assert not missing(found)


def test_without_classes_to_judge_the_kinds_are_clusters():
    (train, labels), (real, real_labels), others = split(digits(), 0)
    others = left_out(others, "0")
    expected = missing_clusters(train, real, others)
    assert (expected.by, expected.accuracy, missing(expected)) == ("cluster", None, {"1"})
    nothing = np.full(len(labels), "")
    unlabeled = np.where(np.arange(len(labels)) == 5, "", labels)
    alone = np.full(len(labels), "7")
    rare = np.arange(len(labels)).astype(str)
    for some in (nothing, unlabeled, alone, rare):
        assert class_shares(train, some, real, some[: len(real)], others) == expected
    assert class_shares(train, labels, real, np.arange(len(real)), others) == expected
    assert class_shares(train, labels, real, real_labels, others).by == "class"


def test_a_class_that_is_new_among_held_out_images_is_no_kind():
    train, real, (others, _) = split(digits(), 0)
    known = train[1] != "9"
    found = class_shares(train[0][known], train[1][known], *real, others)
    assert [kind.name for kind in found.kinds] == list("012345678")
    assert not missing(found)


def test_a_missing_cluster_is_what_is_left_out_with_the_images_in_its_middle_first():
    rng = np.random.default_rng(0)
    middles = np.tile([-60.0, -20.0, 20.0, 60.0], 60)
    train, real, drawn = (middles + rng.standard_normal(240) for _ in range(3))
    found = missing_clusters(
        train[:, None], real[:, None], np.resize(drawn[middles != 20], (240, 1))
    )
    [first] = found.kinds
    assert first.missing
    assert first.name == "1"
    assert first.held_out > 40
    assert first.estimated < 0.1 * first.expected
    assert set(middles[list(first.examples)]) == {20}
    distances = np.abs(real - real[first.examples[0]])
    assert np.diff(distances[list(first.examples)]).min() > -1


def test_the_same_images_give_the_same_kinds():
    train, real, (others, _) = split(digits(), 3)
    assert class_shares(*train, *real, others) == class_shares(*train, *real, others)
    assert missing_clusters(train[0], real[0], others) == missing_clusters(
        train[0], real[0], others
    )


@pytest.mark.parametrize(
    ("name", "counts"),
    [("training", (99, 120, 120)), ("held-out", (120, 99, 120)), ("generated", (120, 120, 99))],
)
def test_too_few_images_have_no_kinds(name, counts):
    arrays = [np.random.default_rng(0).standard_normal((n, 4)) for n in counts]
    reason = f"99 {name} images are too few for kinds: 100 are needed"
    with pytest.raises(MetricError, match=reason):
        missing_clusters(*arrays)
    labels = [np.arange(n) % 2 for n in counts]
    with pytest.raises(MetricError, match=reason):
        class_shares(arrays[0], labels[0], arrays[1], labels[1], arrays[2])


def test_hostile_features_are_rejected():
    good = np.random.default_rng(0).standard_normal((120, 4))
    bad = good.copy()
    bad[3, 1] = np.nan
    with pytest.raises(MetricError, match="generated features hold NaN"):
        missing_clusters(good, good, bad)
    with pytest.raises(MetricError, match="the training images are all alike"):
        missing_clusters(np.ones((120, 4)), good, good)


def test_of_few_different_images_those_that_are_left_out_are_missing():
    train = np.repeat(np.eye(3), 100, axis=0)
    assert not missing(missing_clusters(train, train, train))
    assert len(missing(missing_clusters(train, train, train[:100]))) == 2
