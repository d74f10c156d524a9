import errno

import apache_beam as beam
import pytest

from components.data_gate.executor import DataAnomalyError
from components.drift_gate.executor import DriftError
from components.features.errors import FeatureError
from components.image_example_gen.errors import ImageDataError
from components.parameters import ParameterError
from data.errors import DataError
from pipeline import failures
from pipeline.config import ConfigError
from pipeline.registry.serving import NoModelError, UnknownLabelError
from pipeline.workspace import InUseError, WorkspaceError
from trainer.common import exit_codes
from trainer.labels import TooFewClassesError


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (ConfigError("a\nb"), exit_codes.USAGE, "a\nb"),
        (NoModelError("none"), exit_codes.USAGE, "none"),
        (UnknownLabelError("none"), exit_codes.USAGE, "none"),
        (FeatureError("no weights"), exit_codes.USAGE, "no weights"),
        (ParameterError("steps"), exit_codes.USAGE, "steps"),
        (TooFewClassesError("one"), exit_codes.DATA, "one"),
        (DataError("bad"), exit_codes.DATA, "bad"),
        (ImageDataError("bad"), exit_codes.DATA, "bad"),
        (DataAnomalyError("bad"), exit_codes.DATA, "bad"),
        (DriftError("drifted"), exit_codes.HELD, "drifted"),
        (InUseError("busy"), exit_codes.WORKSPACE, "busy"),
        (WorkspaceError("busy"), exit_codes.WORKSPACE, "busy"),
        (OSError(errno.ENOSPC, "x", "/f"), exit_codes.WORKSPACE, "the disk is full: /f"),
        (
            RuntimeError("/f; No space left on device\nmore"),
            exit_codes.WORKSPACE,
            "the disk is full: /f; No space left on device",
        ),
        (KeyError("x"), exit_codes.UNEXPECTED, "KeyError: 'x'"),
        (ValueError("one\ntwo"), exit_codes.UNEXPECTED, "ValueError: one"),
        (KeyboardInterrupt(), 130, "interrupted; the next run resumes from here"),
    ],
)
def test_a_failure_has_a_code_by_its_cause_and_a_line(error, code, text):
    assert failures.describe(error) == (code, text)


@pytest.mark.parametrize(
    ("stop", "code"), [(KeyboardInterrupt(), exit_codes.INTERRUPTED), (SystemExit(143), 143)]
)
def test_a_stop_within_a_function_that_beam_calls_is_one(stop, code):
    def stopped(_):
        raise stop

    pipeline = beam.Pipeline(argv=["--runner=FnApiRunner"])
    _ = pipeline | beam.Create([1]) | beam.Map(stopped)
    with pytest.raises(RuntimeError) as caught:
        pipeline.run()
    assert failures.describe(caught.value)[0] == code
