import gzip
import itertools
import random

import numpy as np
import pytest

from components.image_example_gen.shuffle.rows import (
    ROW_TYPE,
    Row,
    divide,
    gunzip,
    pack,
    sort_rows,
    unpack,
)


def rows(count, seed=0):
    numbers = random.Random(seed)
    hashes = sorted(numbers.randbytes(32) for _ in range(count))
    return [Row(sha256, n, 1, bytes(16), 0, 0, n, 1) for n, sha256 in enumerate(hashes)]


def test_rows_are_packed_without_loss():
    row = Row(b"\xff" * 32, 2**40, 3, b"\x01" * 16, 300, 2**31, 2**40, 2**30)
    assert list(unpack(pack([row]))) == [row]


def table(rows):
    return np.frombuffer(pack(rows), ROW_TYPE)


def test_rows_are_sorted_by_hash_then_by_order_then_by_use():
    both = [
        Row(b"\1" * 32, order, use, bytes(16), 0, 0, 0, 1) for order in (255, 256) for use in (0, 1)
    ]
    expected = sorted([*rows(300), *both])
    shuffled = random.Random(2).sample(expected, len(expected))
    assert list(unpack(sort_rows([table(shuffled[:100]), table(shuffled[100:])]))) == expected


@pytest.mark.parametrize("level", [0, 6])
@pytest.mark.parametrize("size", [0, 1, 70_000, 200_000])
def test_a_shard_is_decompressed_whether_it_was_stored_or_compressed(level, size):
    content = random.Random(size).randbytes(size)
    assert gunzip(gzip.compress(content, level)) == content


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 100])
def test_every_row_is_in_exactly_one_shard_whatever_the_groups(shards):
    edges = [bytes(32), b"\xff" * 32, (2**63).to_bytes(8, "big") + bytes(24)]
    found = table(sorted([*rows(200), *(Row(edge, 9, 1, bytes(16), 0, 0, 0, 1) for edge in edges)]))
    whole = divide(found, range(shards + 1), shards)
    assert len(whole) == shards
    assert b"".join(each.tobytes() for each in whole) == found.tobytes()
    groups = [0, *sorted(random.Random(1).sample(range(1, shards), min(2, shards - 1))), shards]
    for (first, last), group in zip(
        itertools.pairwise(groups), divide(found, groups, shards), strict=True
    ):
        divided = divide(group, range(first, last + 1), shards)
        assert [each.tobytes() for each in divided] == [
            each.tobytes() for each in whole[first:last]
        ]


def test_a_shard_of_more_shards_has_its_rows_from_neighbors():
    found = table(rows(1000))
    old, new = divide(found, range(11), 10), divide(found, range(12), 11)
    for shard in new:
        touched = [n for n, each in enumerate(old) if set(unpack(each)) & set(unpack(shard))]
        assert len(touched) <= 2


def test_a_part_without_rows_is_divided():
    assert [len(each) for each in divide(table([]), [2, 3, 4], 4)] == [0, 0]
