import errno

import apache_beam as beam
import pytest

from components.data_gate.executor import DataAnomalyError
from components.image_example_gen.errors import ImageDataError
from data.errors import DataError
from pipeline import failures
from pipeline.config import ConfigError
from pipeline.registry.serving import NoModelError, UnknownLabelError
from pipeline.workspace import WorkspaceError
from trainer.labels import TooFewClassesError


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("a\nb"), failures.USAGE, "a\nb"),
        (NoModelError("none"), failures.USAGE, "none"),
        (UnknownLabelError("none"), failures.USAGE, "none"),
        (TooFewClassesError("one"), failures.DATA, "one"),
        (DataError("bad"), failures.DATA, "bad"),
        (ImageDataError("bad"), failures.DATA, "bad"),
        (DataAnomalyError("bad"), failures.DATA, "bad"),
        (WorkspaceError("busy"), failures.WORKSPACE, "busy"),
        (OSError(errno.ENOSPC, "x", "/f"), failures.WORKSPACE, "the disk is full: /f"),
        (
            RuntimeError("/f; No space left on device\nmore"),
            failures.WORKSPACE,
            "the disk is full: /f; No space left on device",
        ),
        (KeyError("x"), failures.UNEXPECTED, "KeyError: 'x'"),
        (ValueError("one\ntwo"), failures.UNEXPECTED, "ValueError: one"),
        (KeyboardInterrupt(), failures.INTERRUPTED, "interrupted; the next run goes on from here"),
    ],
)
def test_a_failure_has_a_code_by_its_cause_and_a_line(error, code, text):
    assert failures.describe(error) == (code, text)


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), failures.INTERRUPTED), (SystemExit(143), 143)]
)
def test_a_stop_within_a_function_that_beam_calls_is_one(stop, code):
    def stopped(_):
        raise stop

    pipeline = beam.Pipeline(argv=["--runner=FnApiRunner"])
    _ = pipeline | beam.Create([1]) | beam.Map(stopped)
    with pytest.raises(RuntimeError) as caught:
        pipeline.run()
    assert failures.describe(caught.value)[0] == code
