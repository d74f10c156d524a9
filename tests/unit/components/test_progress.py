import apache_beam as beam
import pytest

from components.progress import FEATURES, SAMPLED, counted, listening


class Work(beam.DoFn):
    def process(self, images):
        with counted(SAMPLED, images):
            yield images


def test_listeners_in_the_process_are_called_for_the_work_of_a_beam_pipeline():
    calls = []
    with (
        listening(lambda *what: calls.append(what)),
        beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline,
    ):
        _ = pipeline | beam.Create([3, 5]) | beam.ParDo(Work())
    assert sorted(images for _, images, _ in calls) == [3, 5]
    assert {kind for kind, *_ in calls} == {SAMPLED}
    assert all(seconds >= 0 for *_, seconds in calls)


def test_failed_work_and_work_after_the_block_are_not_counted():
    calls = []
    with (
        listening(lambda *what: calls.append(what)),
        pytest.raises(ValueError, match="broken"),
        counted(FEATURES, 3),
    ):
        raise ValueError("broken")
    with counted(FEATURES, 4):
        pass
    assert calls == []
