"""What all tests share: quiet libraries, the order of the files, and the digits as a folder."""

import fcntl
import gc
import os
import shutil
import signal

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")
# Small products in several threads, of two tests on as many cores, take ten times as long.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

from data import digits
from tests.programs import find_program

# The longest files start first: a long one at the end would run alone.
LONGEST_FIRST = (
    "test_kubeflow_run.py",
    "test_evaluator_executor.py",
    "test_month.py",
    "test_distillation_run.py",
    "test_paired_run.py",
    "test_workers.py",
    "test_onnx_export.py",
    "test_check.py",
    "test_run.py",
    "test_interruptions.py",
    "test_train_workers.py",
    "test_gate_on_copies.py",
    "test_unattended_run.py",
    "test_kubeflow_runner.py",
    "test_train.py",
    "test_unpaired_run.py",
    "test_portable.py",
    "test_translation_run.py",
    "test_warm_start_run.py",
    "test_rectangular_run.py",
    "test_drawn_pairs.py",
    "test_drift_executor.py",
    "test_solving.py",
    "test_pair_evaluation.py",
    "test_playground.py",
    "test_keras_methods.py",
    "test_warm_start.py",
    "test_run_fn.py",
    "test_gate_on_planted_models.py",
    "test_live_versions.py",
    "test_iadb.py",
)


def pytest_collection_modifyitems(items):
    """Puts the longest files first; the order within a file stays."""
    ranks = {name: rank for rank, name in enumerate(LONGEST_FIRST)}
    items.sort(key=lambda item: ranks.get(item.path.name, len(ranks)))


gc.disable()  # until the tests begin


@pytest.hookimpl(tryfirst=True)
def pytest_runtestloop():
    """Collects garbage from now on, and leaves out what was imported.

    Libraries have made millions of objects by now, which stay. To visit them while they were made
    took two of the nine seconds in which tests start. TensorFlow makes thousands for each function
    that it traces, few of which become garbage: Python collects less often than by default.
    """
    gc.freeze()
    gc.set_threshold(10_000)
    gc.enable()


# A shell has what it runs in the background ignore Ctrl-C, and what that starts inherits it.
signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def shared(tmp_path_factory):
    """Makes a folder once for all processes of pytest-xdist: the first fills it, others wait."""
    root = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        root = root.parent

    def share(name, fill):
        folder, done = root / name, root / f"{name}.done"
        with (root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not done.exists():
                shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
                fill(folder)
                done.touch()
        return folder

    return share


@pytest.fixture(scope="session")
def digits_folder(shared):
    """The 1,797 digits of scikit-learn, one folder per class; read-only."""
    return shared("digits", digits.write)


@pytest.fixture(scope="module")
def chromium(tmp_path_factory):
    """A headless Chromium; without one, tests are skipped, but not in CI."""
    from tests.browser import Chromium

    executable = find_program("chromium", "chromium")
    with Chromium(executable, tmp_path_factory.mktemp("profile")) as browser:
        yield browser
