"""Which images form groups, from their looks alone."""

from dataclasses import astuple

import numpy as np
import pytest

from components.image_example_gen.near_duplicates import (
    BITS,
    MAX_DISTANCE,
    Looks,
    group,
    near_any,
)


def group_new(images):
    """The groups of images of which no earlier run has seen any."""
    return group(images, np.zeros(len(images.sha256), bool), images.sha256)


def make_images(bits, first=0, spans=None):
    """Images with such looks, bool [n, BITS], and ascending hashes from a number on."""
    count = len(bits)
    sha256 = np.zeros((count, 32), np.uint8)
    sha256[:, :4] = np.arange(first, first + count, dtype=">u4").view(np.uint8).reshape(-1, 4)
    return Looks(sha256, np.packbits(bits, axis=1), np.array(spans or count * [0]))


def join(*images):
    return Looks(*(np.concatenate(each) for each in zip(*map(astuple, images), strict=True)))


def random_bits(count, seed=0):
    return np.random.default_rng(seed).random((count, BITS)) < 0.5


def change(bits, count, seed=0):
    """The same looks with so many other bits in each."""
    rng, bits = np.random.default_rng(seed), bits.copy()
    for row in bits:
        row[rng.permutation(BITS)[:count]] ^= True
    return bits


def leaders(groups):
    return [int.from_bytes(row[:4].tobytes(), "big") for row in groups]


def test_unrelated_images_stay_alone():
    images = make_images(random_bits(3000))
    assert (group_new(images) == images.sha256).all()


@pytest.mark.parametrize(("distance", "found"), [(0, 1), (8, 0.995), (MAX_DISTANCE, 0.95)])
def test_near_duplicates_follow_the_first_one(distance, found):
    bits = random_bits(1000)
    groups = group_new(make_images(np.concatenate([bits, change(bits, distance)])))
    followed = np.array(leaders(groups))[1000:] == np.arange(1000)
    assert followed.mean() >= found


def test_images_beyond_the_distance_stay_alone():
    bits = random_bits(500)
    images = make_images(np.concatenate([bits, change(bits, MAX_DISTANCE + 1)]))
    assert (group_new(images) == images.sha256).all()


def test_a_chain_of_similar_images_does_not_become_one_group():
    bits = random_bits(1)
    chain = np.repeat(bits, 200, axis=0)
    for i in range(1, 200):
        chain[i] = chain[i - 1]
        chain[i, (4 * i + np.arange(4)) % BITS] ^= True
    images = make_images(chain)
    groups = group_new(images)
    looks = {each.tobytes(): bits for each, bits in zip(images.sha256, chain, strict=True)}
    reach = [(looks[g.tobytes()] != bits).sum() for g, bits in zip(groups, chain, strict=True)]
    assert max(reach) <= MAX_DISTANCE
    assert len(np.unique(groups, axis=0)) > 10


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
    found = np.array(leaders(group_new(make_images(bits))))
    assert (found == expected).mean() > 0.95


def test_many_equal_looks_cost_no_more_than_their_number():
    images = make_images(np.repeat(random_bits(1), 20_000, axis=0))
    assert set(leaders(group_new(images))) == {0}


def test_the_order_of_images_does_not_matter():
    bits = random_bits(200)
    images = make_images(np.concatenate([bits, change(bits, 10), change(bits, 14, seed=1)]))
    groups = group_new(images)
    order = np.random.default_rng(0).permutation(600)
    shuffled = Looks(images.sha256[order], images.looks[order], images.spans[order])
    assert (group_new(shuffled) == groups[order]).all()


def test_older_spans_lead_although_their_hashes_are_larger():
    bits = random_bits(100)
    images = make_images(np.concatenate([bits, bits]), spans=100 * [8] + 100 * [7])
    assert leaders(group_new(images)) == 2 * list(range(100, 200))


def test_a_new_image_follows_what_an_earlier_run_has_seen():
    bits = random_bits(100)
    old = make_images(np.concatenate([bits, change(bits, 6)]), first=1000)
    decided = group_new(old)
    new = make_images(change(bits, 6, seed=1))  # the smaller hashes would lead
    seen = np.arange(len(new.sha256) + len(decided)) >= len(new.sha256)
    groups = group(join(new, old), seen, np.concatenate([new.sha256, decided]))
    assert (groups[100:] == decided).all()
    assert np.mean(np.array(leaders(groups[:100])) >= 1000) > 0.95


def test_a_follower_keeps_its_group_when_the_leader_is_gone_and_others_follow_it():
    bits = random_bits(100)
    old = make_images(np.concatenate([bits, change(bits, 4)]), first=1000)
    decided = group_new(old)
    left = Looks(old.sha256[100:], old.looks[100:], old.spans[100:])
    new = make_images(change(change(bits, 4), 4, seed=1))
    seen = np.arange(200) >= 100
    groups = group(join(new, left), seen, np.concatenate([new.sha256, decided[100:]]))
    assert (groups[100:] == decided[100:]).all()
    assert np.mean(groups[:100] == decided[100:]) > 0.95


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_images_are_grouped(count):
    groups = group_new(make_images(np.repeat(random_bits(1), count, axis=0)))
    assert set(leaders(groups)) == set(range(min(count, 1)))


def test_images_like_held_out_ones_are_found():
    bits = random_bits(300)
    images, others = make_images(bits), make_images(change(bits[:100], 8), first=1000)
    found = near_any(images, others)
    assert found[:100].mean() > 0.95
    assert not found[100:].any()
    assert not near_any(images, make_images(bits[:0])).any()
