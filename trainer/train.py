"""Trains IADB on examples: loop, callbacks, checkpoints. Reads files and knows no TFX."""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from trainer.build import build_model
from trainer.common.progress import phase
from trainer.common.signals import stop_on_signals
from trainer.dataset import TrainingData, first_images, train_dataset
from trainer.fit.callbacks import RaiseLostStop, ReportProgress, TensorBoardLog
from trainer.fit.checkpoint import Checkpoints, RaiseOnDivergence, SaveCheckpoints
from trainer.fit.course import Course, by_mean_flow, on_images
from trainer.fit.held_out_loss import HeldOutLoss, interval
from trainer.fit.latest_samples import LatestSamples
from trainer.fit.sample_grid import SampleGrid, make_grid
from trainer.fit.warm_start import warm_start
from trainer.fit.workers import WorkerLostError, check_same_start, is_chief
from trainer.iadb import IADBModel
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions, TrainOptions
from trainer.step.replicas import has_several_workers
from trainer.student.build import build_student

SETTLED = 0.75  # of the steps, after which the learning rate is at 15% of its peak


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        model: the trained model.
        metrics: `loss` (mean of the last logged steps; None if a finished training was only
            restored) and `held_out_loss`, both None on workers other than the chief; `images_seen`,
            `seconds` (of this process), `steps`, `resumed_from_step`.
        warm_started_from: the sampler SavedModel whose weights it started from; None if it started
            from random weights.
    """

    model: IADBModel
    metrics: dict[str, float | None]
    warm_started_from: str | None


def train(
    data: TrainingData,
    strategy: tf.distribute.Strategy,
    *,
    model_options: ModelOptions,
    train_options: TrainOptions,
    sample_options: SampleOptions,
    checkpoints_folder: str,
    log_folder: str,
    latest_samples: str,
    base_model: str | None = None,
    is_student: bool = False,
) -> Trained:
    """Trains from the newest readable checkpoint in the folder, or else from the start.

    A new training starts from the weights beside `base_model`, a sampler SavedModel, if
    `train_options.warm_start` is set and they fit; otherwise from weights drawn from the seed. A
    student starts from the average of `base_model`, its teacher (trainer/student/mean_flow.py). The
    precision of `train_options` is resolved (trainer/fit/precision.py).

    `latest_samples` is the path or URI of a PNG, which shows samples as the training goes on.

    With several workers, each calls this with the same files and folders; only the chief writes.

    Raises:
        ValueError: the files hold no example, the number of replicas does not divide the batch,
            several replicas would accumulate gradients, or the workers start from different states.
        KeyboardInterrupt: on Ctrl-C, after saving the state.
        SystemExit: on SIGTERM, which a preempted pod receives, after saving the state.
        TrainingDivergedError: the loss or a weight is not finite; lower train.learning_rate.
        WorkerLostError: another worker ended with an error or by a signal.
        MisfitError: the weights of the teacher cannot be read, or are of another network.
    """
    train_options.check_replicas(strategy.num_replicas_in_sync)
    chief = is_chief(strategy)

    def report(line: str) -> None:
        if chief:
            print(f"  {line}", flush=True)

    with strategy.scope(), phase("building the network"):
        if is_student:
            course = by_mean_flow()
            model = build_student(data, model_options, train_options, sample_options, base_model)
        else:
            course = on_images(data.source)
            model = build_model(
                model_options,
                train_options,
                sample_options,
                data.shape,
                len(data.labels),
                data.source,
            )
        checkpoints = Checkpoints(checkpoints_folder, model, train_options.checkpoint.keep)
        if checkpoints.restore(report):
            report(f"resuming from step {checkpoints.step:,}")
        elif is_student:
            checkpoints.warm_started_from = base_model
        elif train_options.warm_start:
            checkpoints.warm_started_from = warm_start(
                model,
                base_model,
                model_options,
                data.shape,
                data.labels,
                data.split,
                report,
                data.source,
            )
    start_step = checkpoints.step
    check_same_start(strategy, start_step, model.network.get_weights())
    callbacks: list[keras.callbacks.Callback] = [RaiseLostStop(), RaiseOnDivergence()]
    board = held_out = None
    if chief:
        at_once = max(1, train_options.batch_size // strategy.num_replicas_in_sync)
        samples = make_grid(data, at_once)
        board = _tensorboard(samples, train_options, sample_options, log_folder, start_step)
        trained = checkpoints.warm_started_from is not None
        held_out = _held_out_loss(data, train_options, course, trained, board, report)
        latest = LatestSamples(latest_samples, board, report)
        # Saved first: what the others do at the end may fail.
        callbacks += [_saving(checkpoints, train_options), held_out, board, latest]
    started = time.monotonic()
    if start_step < train_options.steps:
        report(course.about_loss)
        _fit(model, data, strategy, train_options, checkpoints, callbacks)
    elif held_out:
        held_out.measure_restored(model)
    return Trained(
        model,
        {
            "loss": board.mean_loss if board else None,
            "held_out_loss": held_out.loss if held_out else None,
            "images_seen": train_options.steps * train_options.batch_size,
            "seconds": time.monotonic() - started,
            "steps": train_options.steps,
            "resumed_from_step": start_step,
        },
        checkpoints.warm_started_from,
    )


def _tensorboard(
    samples: SampleGrid,
    options: TrainOptions,
    sample_options: SampleOptions,
    folder: str,
    start_step: int,
) -> TensorBoardLog:
    return TensorBoardLog(
        folder,
        start_step=start_step,
        batch_size=options.batch_size,
        log_every=options.log_every,
        grid_every=options.grid_every,
        samples=samples,
        nb_step=sample_options.nb_step,
    )


def _held_out_loss(
    data: TrainingData,
    options: TrainOptions,
    course: Course,
    trained: bool,
    board: TensorBoardLog,
    report: Callable[[str], None],
) -> HeldOutLoss:
    images = None
    if data.held_out:
        images = first_images(data, data.held_out, options.batch_size, course.held_out)
    every = interval(options.steps, options.grid_every)
    since = int(SETTLED * options.steps) if trained else 0
    return HeldOutLoss(images, board, every, since, course.zero_loss, course.if_it_rises, report)


def _saving(checkpoints: Checkpoints, options: TrainOptions) -> SaveCheckpoints:
    every_images = options.checkpoint.every_images or math.inf
    return SaveCheckpoints(
        checkpoints,
        every_seconds=options.checkpoint.every_seconds,
        every_steps=every_images / options.batch_size,
    )


def _fit(
    model: IADBModel,
    data: TrainingData,
    strategy: tf.distribute.Strategy,
    options: TrainOptions,
    checkpoints: Checkpoints,
    callbacks: Sequence[keras.callbacks.Callback],
) -> None:
    """Trains up to options.steps; saves the state if the process is interrupted."""
    chief, start_step = is_chief(strategy), checkpoints.step
    progress = ReportProgress(options.steps, start_step)
    try:
        with stop_on_signals():
            model.fit(
                _batches(data, strategy, options, start_step),
                steps_per_epoch=options.steps - start_step,
                verbose=0,
                callbacks=[progress, *callbacks] if chief else callbacks,
            )
    except (KeyboardInterrupt, SystemExit) as stop:
        # A step that failed with another worker may have counted itself, and changed no weights.
        failed = has_several_workers(strategy) and isinstance(stop.__context__, tf.errors.OpError)
        if chief and not failed:
            checkpoints.save()
        raise
    except tf.errors.UnavailableError as error:
        if not has_several_workers(strategy):
            raise
        raise WorkerLostError(
            "another worker ended or its connection failed; restart all workers to resume from "
            "the last checkpoint"
        ) from error
    finally:
        if chief:
            progress.on_train_end()  # which Keras does not call after an exception


def _batches(
    data: TrainingData, strategy: tf.distribute.Strategy, options: TrainOptions, start_step: int
) -> tf.data.Dataset | tf.distribute.DistributedDataset:
    return strategy.distribute_datasets_from_function(
        lambda part: train_dataset(
            data.files,
            data.preprocess,
            options.batch_size,
            seed=options.seed,
            start_step=start_step,
            flip=options.flip,
            augment=options.augment,
            shuffle_buffer=options.shuffle_buffer,
            labels=data.labels,
            class_balance=options.class_balance,
            source=data.source,
            sources=data.sources,
            part=part,
        )
    )
