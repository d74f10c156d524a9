"""Versions of a small model, and a server of them."""

import pytest

from tests.exported_models import write_sampler
from tests.running_server import RunningServer

LABELS = ["3", "7"]


@pytest.fixture(scope="session")
def sampler(shared):
    """A folder with an unconditional SavedModel."""
    return shared("served-sampler", write_sampler)


@pytest.fixture(scope="session")
def conditional_sampler(shared):
    """A folder with a conditional SavedModel."""
    return shared("served-conditional", lambda folder: write_sampler(folder, labels=LABELS))


@pytest.fixture(scope="module")
def versions(tmp_path_factory, sampler):
    """A folder of versions with one, number 7."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "7").symlink_to(sampler)
    return folder


@pytest.fixture(scope="module")
def server(versions):
    """A server of `versions`."""
    with RunningServer(versions) as running:
        running.wait_for(7)
        yield running


@pytest.fixture(scope="module")
def conditional(tmp_path_factory, conditional_sampler):
    """A server of a conditional model."""
    folder = tmp_path_factory.mktemp("serving")
    (folder / "1").symlink_to(conditional_sampler)
    with RunningServer(folder) as running:
        running.wait_for(1)
        yield running
