"""What is seen of work on images where the output is no terminal."""

import io

import pytest
from rich.console import Console

from components.progress import FEATURES, SAMPLED, counted, listening
from pipeline.evaluation.progress import ImageProgress


@pytest.fixture
def progress(monkeypatch):
    monkeypatch.setattr("pipeline.evaluation.progress.LINE_SECONDS", 0)
    return ImageProgress(Console(file=io.StringIO(), width=100))


def lines(progress):
    return progress.console.file.getvalue().splitlines()


def test_a_line_tells_images_done_and_all_there_are(progress):
    with progress, listening(progress):
        progress.expect(SAMPLED, 500)
        progress.expect(SAMPLED, 1000)
        for _ in range(3):
            with counted(SAMPLED, 400):
                pass
    *_, last = lines(progress)
    assert last.split("·")[0].split() == ["sampling", "1,200/1,500", "images"]
    assert last.endswith("s left")


def test_the_first_batch_which_compiles_gives_no_rate(progress):
    with progress:
        progress.expect(SAMPLED, 10)
        progress(SAMPLED, 5, 60.0)
    assert lines(progress) == []


def test_seconds_are_summed_by_kind_of_work(progress):
    with progress:
        progress(SAMPLED, 1, 2.0)
        progress(FEATURES, 1, 0.5)
        progress(SAMPLED, 1, 3.0)
    assert progress.describe_times(7.25) == (
        "7.2 s: reading images 0.0 s, features 0.5 s, sampling 5.0 s"
    )
