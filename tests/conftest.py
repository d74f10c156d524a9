"""What all tests share: quiet libraries, and the digits as an image folder."""

import os
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Small products in several threads, of two tests on as many cores, take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import pytest

from data import digits
from tests.programs import find_program

# A shell has what it runs in the background ignore Ctrl-C, and what that starts inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def digits_folder(tmp_path_factory):
    """The 1,797 digits of scikit-learn, a folder a class; not to be written to."""
    folder = tmp_path_factory.mktemp("data") / "digits"
    digits.write(folder)
    return folder


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A headless Chromium; without one, tests are skipped, but not in CI."""
    from tests.browser import Chromium

    executable = find_program("chromium", "chromium")
    with Chromium(executable, tmp_path_factory.mktemp("profile")) as browser:
        yield browser
