"""Images in archives are read by several threads at once."""

import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from components.image_example_gen.archives import stream
from components.image_example_gen.archives.stream import BLOCK_BYTES
from components.image_example_gen.files import ImageFile
from components.image_example_gen.reading import ImageReader
from components.image_example_gen.storage.base import Stat

PATIENCE = 30  # seconds
SIZE = 3 * BLOCK_BYTES


class Bucket:
    """A storage with one tar, whose requests are answered when two of them wait."""

    def __init__(self):
        self.both = threading.Barrier(2)
        self.requests = []

    def stat(self, uri):
        return Stat(SIZE, 7)

    def read_range(self, uri, start, size):
        self.requests.append(start)
        self.both.wait(PATIENCE)
        return bytes([start // BLOCK_BYTES]) * min(size, SIZE - start)


@pytest.fixture
def bucket(monkeypatch):
    bucket = Bucket()
    monkeypatch.setattr(stream, "storage_of", lambda uri: bucket)
    return bucket


def entry(offset):
    path = f"a.tar/{offset}.png"
    stated = {"entry": len(f"{offset}.png"), "archive_size": SIZE, "mtime_ns": 7}
    return ImageFile(path, size=10, offset=offset, **stated)


def test_two_threads_wait_for_two_requests_at_once(bucket):
    with ImageReader("s3://bucket") as reader, ThreadPoolExecutor(2) as threads:
        entries = [entry(0), entry(2 * BLOCK_BYTES)]
        found = list(threads.map(lambda file: reader.open(file).read(), entries, timeout=PATIENCE))
    assert found == [bytes(10), bytes([2]) * 10]
    assert sorted(bucket.requests) == [0, 2 * BLOCK_BYTES]


def test_threads_that_need_the_same_block_ask_for_it_once(bucket):
    bucket.both = threading.Barrier(1)
    with ImageReader("s3://bucket") as reader, ThreadPoolExecutor(4) as threads:
        entries = [entry(offset) for offset in range(0, 1000, 50)]
        list(threads.map(lambda file: reader.open(file).read(), entries))
    assert bucket.requests == [0]


def test_a_request_that_fails_is_made_again_for_the_next_image(bucket):
    bucket.both = threading.Barrier(1)
    answer = bucket.read_range

    def fail(uri, start, size):
        bucket.read_range = answer
        raise ConnectionError("reset")

    bucket.read_range = fail
    with ImageReader("s3://bucket") as reader:
        with pytest.raises(ConnectionError):
            reader.open(entry(0))
        assert reader.open(entry(0)).read() == bytes(10)
