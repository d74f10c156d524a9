"""Which images form groups, from their looks alone."""

import numpy as np
import pytest

from components.image_example_gen.near_duplicates import (
    BITS,
    MAX_DISTANCE,
    group,
    near_any,
)


def group_new(bits, spans=None):
    """The groups of images with such looks, bool [n, BITS], that no earlier run has seen."""
    count = len(bits)
    return group(np.packbits(bits, axis=1), np.array(spans or count * [0]), np.full(count, -1))


def random_bits(count, seed=0):
    return np.random.default_rng(seed).random((count, BITS)) < 0.5


def change(bits, count, seed=0):
    """The same looks with so many other bits in each."""
    rng, bits = np.random.default_rng(seed), bits.copy()
    for row in bits:
        row[rng.permutation(BITS)[:count]] ^= True
    return bits


def test_unrelated_images_stay_alone():
    assert (group_new(random_bits(3000)) == np.arange(3000)).all()


@pytest.mark.parametrize(("distance", "found"), [(0, 1), (8, 0.995), (MAX_DISTANCE, 0.95)])
def test_near_duplicates_follow_the_first_one(distance, found):
    bits = random_bits(1000)
    groups = group_new(np.concatenate([bits, change(bits, distance)]))
    assert (groups[1000:] == np.arange(1000)).mean() >= found


def test_images_beyond_the_distance_stay_alone():
    bits = random_bits(500)
    groups = group_new(np.concatenate([bits, change(bits, MAX_DISTANCE + 1)]))
    assert (groups == np.arange(1000)).all()


def test_a_chain_of_similar_images_does_not_become_one_group():
    bits = random_bits(1)
    chain = np.repeat(bits, 200, axis=0)
    for i in range(1, 200):
        chain[i] = chain[i - 1]
        chain[i, (4 * i + np.arange(4)) % BITS] ^= True
    groups = group_new(chain)
    assert max((chain[groups] != chain).sum(axis=1)) <= MAX_DISTANCE
    assert len(np.unique(groups)) > 10


@pytest.mark.parametrize("count", [511, 512, 513, 1025, 2600])
def test_the_first_of_images_before_it_leads_each_image(count):
    """Like a comparison of each image with each leader, but for what the bands miss."""
    rng = np.random.default_rng(count)
    scenes = random_bits(count // 4)[rng.integers(0, count // 4, count)]
    bits = scenes ^ (rng.random((count, BITS)) < 0.04)
    expected, chosen = [], []
    for image, look in enumerate(bits):
        distances = (bits[chosen] != look).sum(axis=1)
        nearest = int(distances.argmin()) if chosen else 0
        if not chosen or distances[nearest] > MAX_DISTANCE:
            chosen.append(image)
            expected.append(image)
        else:
            expected.append(chosen[nearest])
    assert (group_new(bits) == expected).mean() > 0.95


def test_many_equal_looks_cost_no_more_than_their_number():
    assert not group_new(np.repeat(random_bits(1), 20_000, axis=0)).any()


def test_older_spans_lead_although_their_hashes_are_larger():
    bits = random_bits(100)
    groups = group_new(np.concatenate([bits, bits]), spans=100 * [8] + 100 * [7])
    assert groups.tolist() == 2 * list(range(100, 200))


def test_a_new_image_follows_what_an_earlier_run_has_seen():
    bits = random_bits(100)
    old = np.concatenate([bits, change(bits, 6)])
    decided = 100 + group_new(old)
    new = change(bits, 6, seed=1)  # the smaller hashes would lead
    looks = np.packbits(np.concatenate([new, old]), axis=1)
    groups = group(looks, np.zeros(300), np.append(np.full(100, -1), decided))
    assert (groups[100:] == decided).all()
    assert np.mean(groups[:100] >= 100) > 0.95


def test_a_follower_keeps_its_group_when_the_leader_is_gone_and_others_follow_it():
    bits = random_bits(100)
    left = change(bits, 4)
    gone = 200 + np.arange(100)  # the leaders
    looks = np.packbits(np.concatenate([change(left, 4, seed=1), left]), axis=1)
    groups = group(looks, np.zeros(200), np.append(np.full(100, -1), gone))
    assert (groups[100:] == gone).all()
    assert np.mean(groups[:100] == gone) > 0.95


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_grouped(count):
    assert group_new(np.repeat(random_bits(1), count, axis=0)).tolist() == count * [0]


def test_images_like_held_out_ones_are_found():
    bits = random_bits(300)
    looks, others = (np.packbits(each, axis=1) for each in (bits, change(bits[:100], 8)))
    found = near_any(looks, others)
    assert found[:100].mean() > 0.95
    assert not found[100:].any()
    assert not near_any(looks, others[:0]).any()
