"""Pinned weights: tools can check the digest, and nothing else is loaded."""

import hashlib

import pytest
import tensorflow as tf

from components.features.digest import FeatureError, digest, read_pinned

CONTENT = bytes(range(256)) * 10_000


@pytest.fixture(params=["local", "remote"])
def uri(request, tmp_path):
    """A file on disk, or on TensorFlow's in-memory file system."""
    path = {"local": f"{tmp_path}/weights", "remote": f"ram://{tmp_path.name}"}[request.param]
    with tf.io.gfile.GFile(path, "wb") as file:
        file.write(CONTENT)
    return path


def test_the_digest_of_a_file_is_its_sha256(uri):
    assert digest(uri) == hashlib.sha256(CONTENT).hexdigest()
    assert read_pinned(uri, digest(uri)) == CONTENT


def test_another_digest_stops_with_both_of_them_and_the_place(uri):
    expected = "0" * 64
    with pytest.raises(FeatureError) as caught:
        read_pinned(uri, expected)
    message = str(caught.value)
    for part in (expected, digest(uri), uri, "evaluate.features.sha256"):
        assert part in message
    assert "\n" not in message


@pytest.mark.parametrize("uri", ["/no/such/file", "/", "ram://no/such/file", "nosuch://file"])
def test_what_is_no_file_is_named_in_one_line(uri):
    with pytest.raises(FeatureError, match=f"cannot read {uri}: ") as caught:
        digest(uri)
    assert "\n" not in str(caught.value)
