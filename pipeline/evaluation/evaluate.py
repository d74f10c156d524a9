"""Evaluates a model or a folder of images outside a pipeline: what `iadb evaluate` does."""

import contextlib
import ctypes
import errno
import functools
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.markup import escape

from components.features import check_available
from components.garbage import without_garbage_collection
from components.sample_evaluator import names as evaluator_names
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.console.progress import showing
from pipeline.evaluation.inputs import Inputs, check_name, check_without_pattern, find_inputs
from pipeline.failures import OutputError, describe
from pipeline.logs import logging_to
from pipeline.results.summary import print_evaluation
from pipeline.workspace import IS_PATTERN, is_pattern
from trainer.common import exit_codes
from trainer.common.progress import phase
from trainer.common.signals import find_stop, stop_on_signals
from trainer.common.text import printable

LOG = "evaluate.log"
ALLOCATOR_THRESHOLD = 256 * 1024  # bytes
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of <malloc.h>


def evaluate_candidate(
    candidate: Path,
    baseline: Path | None,
    real: Path,
    training: Path | None,
    config: PipelineConfig,
    output: Path,
    console: Console,
    *,
    verbose: bool,
    notes: Sequence[str] = (),
    remarks: Sequence[str] = (),
    sources: Path | None = None,
) -> bool:
    """Judges a candidate and prints the result.

    Args:
        candidate: folder of a sampler SavedModel, or of images.
        baseline: the same, to compare the candidate with; None: with none.
        real: folder of the images to compare with.
        training: folder of training images; None: a part of `real` stands in for them
            (division.py).
        config: its sections `evaluate` and `beam` apply, and of `data` how images are converted and
            divided (a model brings its own resolution and channels).
        output: new folder for the results; after a failure it does not exist. If another
            evaluation takes its name meanwhile, a number is added. Of wrong images and unexpected
            errors, the log remains beside it, in `OUTPUT.failed.log`.
        console: to print on.
        verbose: whether to show all logs.
        notes: lines to print before the work begins.
        remarks: sentences about the comparison, which become warnings of the verdict.
        sources: folder of what a model is to translate to `real`; None: there are none.

    Returns:
        Whether the candidate is blessed.

    Raises:
        ConfigError: `config` has a pattern for the images.
        InputError: candidate or baseline is neither a model nor a folder of images, or a folder
            would be compared with itself.
        SamplerError: a model cannot be sampled, or draws images of another shape than the other.
        ImageDataError: a folder has too few images, or too many files that are not images.
        OutputError: the output exists, is inside what is compared, has the name of a pattern, or
            cannot be created.
        FeatureError: the feature space is not available.
    """
    _return_freed_memory()
    check_without_pattern(config.data)
    inputs = find_inputs(candidate, baseline, real, training, config.evaluate.min_samples, sources)
    _check_output(output, inputs)
    check_available(config.evaluate.features)
    with (
        _complete_or_absent(output, console) as partial,
        logging_to(partial / LOG, verbose=verbose),
        showing(console, f"evaluating {printable(str(candidate))}") as phases,
    ):
        for note in notes:
            console.print(note, markup=False, soft_wrap=True)
        # TensorFlow takes seconds to start, so everything that can be wrong is checked before.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # a training may use the GPU
        # TensorFlow Transform needs Keras 2; this keeps TensorFlow from importing Keras 3 as well.
        os.environ.setdefault("TF_USE_LEGACY_KERAS", "1")
        with phase("starting TensorFlow"), without_garbage_collection():
            from pipeline.evaluation import steps
        report = functools.partial(console.print, markup=False, soft_wrap=True)
        images = steps.run(inputs, config, partial, report, remarks)
        seconds = phases.seconds()
        output = _publish(partial, output)
    metrics = json.loads((output / evaluator_names.METRICS_JSON).read_text("utf-8"))
    print_evaluation(console, images, metrics, seconds, output / evaluator_names.REPORT_HTML)
    return metrics["blessed"]


def _check_output(output: Path, inputs: Inputs) -> None:
    """Raises an OutputError if results cannot be read there, or would be among what is compared."""
    check_name(output)
    if is_pattern(str(output)):
        raise OutputError(f"{output}: {IS_PATTERN}; name another folder with --output")
    place = Path(os.path.realpath(output))
    judged = [each.folder for each in (inputs.candidate, inputs.baseline) if each]
    for folder in filter(None, (*judged, inputs.real, inputs.training, inputs.sources)):
        if place.is_relative_to(os.path.realpath(folder)):
            raise OutputError(
                f"{output} is inside {folder}, which is compared; name a folder outside with "
                "--output"
            )


def _return_freed_memory() -> None:
    """Makes glibc return large arrays to the system when they are freed; call it before threads.

    After the first large array is freed, glibc keeps later ones in one arena per thread: a fifth of
    the memory of a process that passes arrays between threads.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)  # other C libraries do not have it
    if mallopt:
        mallopt(TRIM_THRESHOLD, ALLOCATOR_THRESHOLD)
        mallopt(MMAP_THRESHOLD, ALLOCATOR_THRESHOLD)
        mallopt(ARENA_MAX, 1)


@contextmanager
def _complete_or_absent(output: Path, console: Console) -> Iterator[Path]:
    """A folder beside the output, to be renamed to it in the block; removed after a failure.

    If one line cannot say all about the failure, the log is kept beside.
    """
    if os.path.lexists(output):
        raise OutputError(f"{output} already exists; name another folder with --output")
    partial = output.with_name(f"{output.name}.partial-{os.getpid()}")
    try:
        partial.mkdir()
    except OSError as error:
        raise OutputError(f"{output} cannot be created: {error.strerror}") from None
    try:
        with stop_on_signals():
            yield partial
    except BaseException as error:
        stop = find_stop(error)
        if isinstance(error, OSError) and error.errno == errno.ENOSPC and not error.filename:
            # Libraries do not say which disk is full; Beam writes to both of these.
            places = (str(output.absolute().parent), tempfile.gettempdir())
            error.filename = min(places, key=lambda place: shutil.disk_usage(place).free)
        if describe(error)[0] in (exit_codes.DATA, exit_codes.UNEXPECTED):
            _keep_log(partial, output, console)
        raise (stop or error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _publish(partial: Path, output: Path) -> Path:
    """Gives the results their name; one with a number if another evaluation took it meanwhile."""
    for number in itertools.count(1):
        target = output if number == 1 else output.with_name(f"{output.name}-{number}")
        try:
            return partial.rename(target)
        except OSError as error:
            if error.errno not in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOTDIR):
                raise
    raise AssertionError("unreachable")


def _keep_log(partial: Path, output: Path, console: Console) -> None:
    kept = output.with_name(f"{output.name}.failed.log")
    with contextlib.suppress(OSError):  # the failure itself is reported
        (partial / LOG).replace(kept)
        console.print(f"Log      {escape(printable(str(kept)))}", soft_wrap=True)
