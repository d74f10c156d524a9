import logging

import apache_beam as beam
import pytest

from components.progress import FEATURES, SAMPLED, ProgressLog, counted, expect, listening


class Calls(list):
    """A listener that remembers its calls."""

    def expect(self, kind, images):
        self.append((kind, images))

    def __call__(self, kind, images, seconds):
        self.append((kind, images, seconds))


class Work(beam.DoFn):
    def process(self, images):
        with counted(SAMPLED, images):
            yield images


def test_listeners_in_the_process_are_called_for_the_work_of_a_beam_pipeline():
    calls = Calls()
    with (
        listening(calls),
        beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline,
    ):
        _ = pipeline | beam.Create([3, 5]) | beam.ParDo(Work())
    assert sorted(images for _, images, _ in calls) == [3, 5]
    assert {kind for kind, *_ in calls} == {SAMPLED}
    assert all(seconds >= 0 for *_, seconds in calls)


def test_failed_work_and_work_after_the_block_are_not_counted():
    calls = Calls()
    with (
        listening(calls),
        pytest.raises(ValueError, match="broken"),
        counted(FEATURES, 3),
    ):
        raise ValueError("broken")
    with counted(FEATURES, 4):
        pass
    assert calls == []


def test_announced_work_reaches_the_listeners_of_the_block_only():
    calls = Calls()
    with listening(calls):
        expect(SAMPLED, 7)
    expect(SAMPLED, 8)
    assert calls == [(SAMPLED, 7)]


def test_the_log_has_images_done_their_rate_and_the_time_left(caplog, monkeypatch):
    monkeypatch.setattr("components.progress.LOG_SECONDS", 0)
    seconds = iter([0, 10, 20])
    monkeypatch.setattr("components.progress.time.monotonic", lambda: next(seconds))
    log = ProgressLog()
    with caplog.at_level(logging.INFO, "absl"):
        log.expect(SAMPLED, 5000)
        log(SAMPLED, 1000, 1.0)
        log(SAMPLED, 1500, 1.0)
    assert [record.getMessage() for record in caplog.records] == [
        "Sampled 1,000 of 5,000 images, 100/s, 40 s left",
        "Sampled 2,500 of 5,000 images, 125/s, 20 s left",
    ]


def test_the_log_has_nothing_on_work_of_a_few_seconds(caplog):
    with caplog.at_level(logging.INFO, "absl"):
        ProgressLog()(SAMPLED, 1000, 1.0)
    assert not caplog.records
