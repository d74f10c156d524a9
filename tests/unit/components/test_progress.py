import apache_beam as beam
import pytest

from components.progress import FEATURES, SAMPLED, counted, listening


class Work(beam.DoFn):
    def process(self, images):
        with counted(SAMPLED, images):
            yield images


def test_who_listens_in_the_process_is_told_of_the_work_of_a_beam_pipeline():
    told = []
    with (
        listening(lambda *what: told.append(what)),
        beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline,
    ):
        _ = pipeline | beam.Create([3, 5]) | beam.ParDo(Work())
    assert sorted(images for _, images, _ in told) == [3, 5]
    assert {kind for kind, *_ in told} == {SAMPLED}
    assert all(seconds >= 0 for *_, seconds in told)


def test_work_that_fails_and_work_after_the_end_is_not_told():
    told = []
    with (
        listening(lambda *what: told.append(what)),
        pytest.raises(ValueError, match="broken"),
        counted(FEATURES, 3),
    ):
        raise ValueError("broken")
    with counted(FEATURES, 4):
        pass
    assert told == []
