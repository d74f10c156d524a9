"""Evaluates a model or a folder of images outside a pipeline: what `iadb evaluate` does."""

import ctypes
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from components.features import check_available
from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import list_images
from components.sample_evaluator import names as evaluator_names
from pipeline.config import PipelineConfig
from pipeline.console.progress import showing
from pipeline.failures import OutputError, find_stop
from pipeline.logs import logging_to
from pipeline.terminal import print_evaluation
from trainer.common import exit_codes
from trainer.common.progress import phase
from trainer.common.signals import stop_on_signals

LOG = "evaluate.log"
ALLOCATOR_THRESHOLD = 256 * 1024  # bytes
TRIM_THRESHOLD, MMAP_THRESHOLD, ARENA_MAX = -1, -3, -8  # parameters of <malloc.h>


class CandidateError(ValueError):
    """The candidate is neither a model nor a folder of images."""

    exit_code = exit_codes.USAGE


def evaluate_candidate(
    candidate: Path,
    real: Path,
    training: Path | None,
    config: PipelineConfig,
    output: Path,
    console: Console,
    *,
    verbose: bool,
) -> bool:
    """Judges a candidate and prints the result.

    Args:
        candidate: folder of a sampler SavedModel, or of images.
        real: folder of the images to compare with.
        training: folder of training images; None: half of `real` stands in for them.
        config: its sections `data` (a model brings its own resolution and channels), `evaluate` and
            `beam` apply.
        output: new folder for the results; after a failure it does not exist.
        console: to print on.
        verbose: whether to show all logs.

    Returns:
        Whether the candidate is blessed.

    Raises:
        CandidateError: the candidate is neither a model nor a folder of images.
        SamplerError: the model cannot be sampled.
        ImageDataError: a folder has no images, or too many files that are not images.
        OutputError: the output exists or cannot be created.
        FeatureError: the feature space is not available.
    """
    _return_freed_memory()
    for folder in filter(None, (real, training)):
        if not folder.is_dir():
            raise ImageDataError(f"{folder}: no such folder; name the folder that holds the images")
    is_model = _check_candidate(candidate)
    check_available(config.evaluate.features)
    with (
        _complete_or_absent(output) as partial,
        logging_to(partial / LOG, verbose=verbose),
        showing(console, f"evaluating {candidate}") as phases,
    ):
        # TensorFlow takes seconds to start, so everything that can be wrong is checked before.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # a training may use the GPU
        with phase("starting TensorFlow"):
            from pipeline.evaluation import steps
        images = steps.run(candidate, real, training, config, partial, is_model=is_model)
        seconds = phases.seconds()
    metrics = json.loads((output / evaluator_names.METRICS_JSON).read_text("utf-8"))
    print_evaluation(console, images, metrics, seconds, output / evaluator_names.REPORT_HTML)
    return metrics["blessed"]


def _check_candidate(candidate: Path) -> bool:
    """Whether the candidate is a model; if not, it has images."""
    if not candidate.is_dir():
        raise CandidateError(
            f"{candidate}: no such folder; name a SavedModel or a folder of images"
        )
    if (candidate / "saved_model.pb").is_file():
        return True
    if list_images(str(candidate), required=False):
        return False
    raise CandidateError(
        f"{candidate}: neither a SavedModel (it has no saved_model.pb) nor a folder of images"
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
def _complete_or_absent(output: Path) -> Iterator[Path]:
    """A folder beside the output, renamed to it at the end and removed after a failure."""
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
            partial.rename(output)
    except BaseException as error:
        stop = find_stop(error)
        if isinstance(stop, KeyboardInterrupt):
            stop = KeyboardInterrupt("this evaluation was discarded")
        raise (stop or error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
