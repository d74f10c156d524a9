import itertools
import random

import pytest

from components.image_example_gen.shuffle.rows import Row, divide, pack, unpack


def rows(count, seed=0):
    numbers = random.Random(seed)
    hashes = sorted(numbers.randbytes(32) for _ in range(count))
    return [Row(sha256, n, 1, bytes(16), 0, 0, n, 1) for n, sha256 in enumerate(hashes)]


def test_rows_are_packed_without_loss():
    row = Row(b"\xff" * 32, 2**40, 3, b"\x01" * 16, 300, 2**31, 2**40, 2**30)
    assert list(unpack(pack([row]))) == [row]


@pytest.mark.parametrize("shards", [1, 2, 3, 7, 100])
def test_every_row_is_in_exactly_one_shard_whatever_the_groups(shards):
    edges = [bytes(32), b"\xff" * 32, (2**63).to_bytes(8, "big") + bytes(24)]
    packed = pack(sorted([*rows(200), *(Row(edge, 9, 1, bytes(16), 0, 0, 0, 1) for edge in edges)]))
    whole = divide(packed, 0, shards, shards)
    assert len(whole) == shards
    assert b"".join(whole) == packed
    bounds = [0, *sorted(random.Random(1).sample(range(1, shards), min(2, shards - 1))), shards]
    parts = [divide(packed, a, b, shards) for a, b in itertools.pairwise(bounds)]
    assert [each for part in parts for each in part] == whole


def test_a_shard_of_more_shards_has_its_rows_from_neighbors():
    packed = pack(rows(1000))
    old, new = divide(packed, 0, 10, 10), divide(packed, 0, 11, 11)
    for shard in new:
        touched = [n for n, each in enumerate(old) if set(unpack(each)) & set(unpack(shard))]
        assert len(touched) <= 2


def test_a_part_without_rows_is_divided():
    assert divide(b"", 2, 4, 4) == [b"", b""]
