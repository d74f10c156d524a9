import apache_beam as beam
import pytest

from components.progress import FEATURES, SAMPLED, counted
from trainer.common.progress import Report, listening


class Work(beam.DoFn):
    def process(self, images):
        with counted(SAMPLED, images):
            yield images


def test_the_work_of_a_beam_pipeline_in_this_process_is_counted():
    reports = []
    with listening(reports.append), beam.Pipeline(argv=["--runner=FnApiRunner"]) as pipeline:
        _ = pipeline | beam.Create([3, 5]) | beam.ParDo(Work())
    assert {change.phase for change in reports} == {SAMPLED}
    assert sorted(change.done for change in reports if change.done) == [3, 5]
    assert sum(change.entered for change in reports) == 0


def test_failed_work_is_not_counted():
    reports = []
    with (
        listening(reports.append),
        pytest.raises(ValueError, match="broken"),
        counted(FEATURES, 3),
    ):
        raise ValueError("broken")
    assert reports == [Report(FEATURES, entered=1), Report(FEATURES, entered=-1)]
