"""An evaluation outside a pipeline, of a model or a folder of images: what `iadb evaluate` does."""

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console

from components.features import check_available
from components.image_example_gen.errors import ImageDataError
from components.sample_evaluator import names as evaluator_names
from pipeline.config import PipelineConfig
from pipeline.evaluation.allocator import return_freed_memory
from pipeline.evaluation.errors import CandidateError
from pipeline.failures import OutputError, find_stop
from pipeline.logs import logging_to
from pipeline.terminal import print_evaluation
from trainer.common.signals import exit_on_sigterm

LOG = "evaluate.log"


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
    """Judges a candidate and prints what came out.

    Args:
        candidate: folder of a sampler SavedModel, or of images.
        real: folder of the images that it is compared with.
        training: folder of training images; without it, half of `real` stands for them.
        config: of it `data` (resolution and channels are a model's own), `evaluate` and `beam`.
        output: folder to make for the results; complete, or not there after a failure.
        console: to print on.
        verbose: whether to show all logs.

    Returns:
        Whether the candidate is blessed.

    Raises:
        CandidateError: there is no model and no image to judge.
        SamplerError: the model cannot be sampled.
        ImageDataError: a folder has no images, or too many files that are none.
        OutputError: the output is there, or cannot be made.
        FeatureError: the feature space cannot be had.
    """
    started = time.monotonic()
    return_freed_memory()
    for folder in filter(None, (real, training)):
        if not folder.is_dir():
            raise ImageDataError(f"{folder}: no such folder; give the folder that holds the images")
    if not candidate.is_dir():
        raise CandidateError(f"{candidate}: no such folder; give a SavedModel or images")
    check_available(config.evaluate.features)
    with _complete_or_not_there(output) as partial, logging_to(partial / LOG, verbose=verbose):
        # TensorFlow's start-up takes seconds: it comes after all that can be wrong before.
        os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
        os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside a training
        from pipeline.evaluation import steps
        from pipeline.evaluation.progress import ImageProgress

        with ImageProgress(console) as progress:
            told = steps.run(candidate, real, training, config, partial, progress)
    metrics = json.loads((output / evaluator_names.METRICS_JSON).read_text("utf-8"))
    times = progress.describe_times(time.monotonic() - started)
    print_evaluation(console, told, metrics, times, output / evaluator_names.REPORT_HTML)
    return metrics["blessed"]


@contextmanager
def _complete_or_not_there(output: Path) -> Iterator[Path]:
    """A folder beside the output that takes its place at the end, and is gone after a failure."""
    if os.path.lexists(output):
        raise OutputError(f"{output} is there already; name another folder with --output")
    partial = output.with_name(f"{output.name}.partial-{os.getpid()}")
    try:
        partial.mkdir()
    except OSError as error:
        raise OutputError(f"{output} cannot be made: {error.strerror}") from None
    try:
        with exit_on_sigterm():
            yield partial
            partial.rename(output)
    except BaseException as error:
        stop = find_stop(error)
        if isinstance(stop, KeyboardInterrupt):
            stop = KeyboardInterrupt("nothing is kept of this evaluation")
        raise (stop or error) from None
    finally:
        shutil.rmtree(partial, ignore_errors=True)
