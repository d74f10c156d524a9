"""Trains IADB on examples: model, optimizer, loop, checkpoints. Knows files, not TFX."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import tensorflow as tf
from rich.console import Console
from rich.markup import escape

from trainer import dataset
from trainer.common.signals import exit_on_sigterm
from trainer.fit.callbacks import ProgressBar, TensorBoardLog
from trainer.fit.checkpoint import Checkpoints, RaiseOnDivergence, SaveCheckpoints
from trainer.fit.warm_start import warm_start
from trainer.fit.workers import WorkerLostError, check_same_start, has_several_workers, is_chief
from trainer.iadb import IADBModel
from trainer.networks.unet import build_unet
from trainer.ode import solvers
from trainer.options import ModelOptions, SampleOptions, TrainOptions
from trainer.sampler import noise_from_seeds
from trainer.step.ema import ExponentialMovingAverage

GRID_SIDE = 8  # images along each side of the sample grid in TensorBoard


@dataclass(frozen=True)
class Trained:
    """A finished training.

    Attributes:
        model: the trained model.
        metrics: numbers about the training: `loss` (mean of the last logged steps, None
            where a finished training was only restored, and on workers but the chief),
            `images_seen`, `seconds` (of this process), `steps`, `resumed_from_step`.
        warm_started_from: the sampler SavedModel beside whose weights it started; None where it
            started from random weights.
    """

    model: IADBModel
    metrics: dict[str, float | None]
    warm_started_from: str | None


def build_model(
    model: ModelOptions,
    train: TrainOptions,
    sample: SampleOptions,
    resolution: int,
    channels: int,
    nb_class: int = 0,
) -> IADBModel:
    """Builds and compiles the model that the options describe, its weights drawn from the seed."""
    keras.utils.set_random_seed(train.seed)
    network = build_unet(model, resolution, channels, train.precision, nb_class)
    iadb = IADBModel(
        network,
        rank=4,
        ema=ExponentialMovingAverage(network, train.ema.half_life, train.ema.warmup),
        solver=solvers.get(sample.solver, sample.grid, rtol=sample.rtol, atol=sample.atol),
        seed=train.seed,
        alpha_density=train.alpha_density,
        coupling=train.coupling,
        nb_class=nb_class,
        label_dropout=train.label_dropout,
        guidance=sample.guidance,
    )
    optimizer = _optimizer(train)
    # Float16 underflows: Keras then scales the loss, and takes the scale out of the gradients.
    iadb.compile(
        optimizer=keras.optimizers.LossScaleOptimizer(optimizer)
        if train.precision == "float16"
        else optimizer
    )
    return iadb


def _optimizer(train: TrainOptions) -> keras.optimizers.Optimizer:
    arguments = {
        "learning_rate": _learning_rate(train),
        "global_clipnorm": train.clip_norm,
        "gradient_accumulation_steps": train.accumulate if train.accumulate > 1 else None,
    }
    if train.optimizer == "adamw":
        return keras.optimizers.AdamW(weight_decay=train.weight_decay, **arguments)
    return keras.optimizers.Adam(**arguments)


def _learning_rate(train: TrainOptions) -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=train.learning_rate,
        warmup_steps=train.warmup_steps,
        decay_steps=train.steps - train.warmup_steps,
        alpha=0.0 if train.decay == "cosine" else 1.0,
    )


def train(
    files: Sequence[str],
    preprocess: dataset.Preprocess,
    strategy: tf.distribute.Strategy,
    *,
    model_options: ModelOptions,
    train_options: TrainOptions,
    sample_options: SampleOptions,
    resolution: int,
    channels: int,
    checkpoints_folder: str,
    log_folder: str,
    labels: Sequence[str] = (),
    base_model: str | None = None,
    split: Mapping[str, Any] | None = None,
) -> Trained:
    """Trains from the newest checkpoint in the folder, or from the start where there is none.

    The start are the weights beside `base_model`, a sampler SavedModel, if a warm start is asked
    for and they fit (`split`: how the examples were split); otherwise weights drawn from the seed.

    Labels are the names of the classes that the model is to be conditioned on.

    With several workers, each runs this on the same files and folders; the chief alone writes.

    Raises:
        ValueError: the files hold no example, the replicas do not divide the batch, several
            replicas are to accumulate gradients, or the workers start from different states.
        KeyboardInterrupt: on Ctrl-C, after the state was saved.
        SystemExit: on SIGTERM, which a preempted pod gets, after the state was saved.
        TrainingDivergedError: the loss or a weight is not finite; lower train.learning_rate.
        WorkerLostError: another worker has ended, by an error or a signal.
    """
    nb_replica = strategy.num_replicas_in_sync
    if train_options.batch_size % nb_replica:
        raise ValueError(
            f"train.batch_size={train_options.batch_size} is not divisible by the {nb_replica} "
            "replicas (GPUs, over all workers) that share a batch"
        )
    if train_options.accumulate > 1 and nb_replica > 1:
        # Keras decides on an update where TensorFlow does not let replicas meet.
        raise ValueError(
            f"train.accumulate={train_options.accumulate} needs a single replica, here are "
            f"{nb_replica}: set it to 1"
        )
    chief = is_chief(strategy)
    say = Console(highlight=False, soft_wrap=True, quiet=not chief).print

    def tell(text: str) -> None:
        say(f"  {escape(text)}")

    shape = (resolution, resolution, channels)
    with strategy.scope():
        model = build_model(
            model_options, train_options, sample_options, resolution, channels, len(labels)
        )
        checkpoints = Checkpoints(checkpoints_folder, model, train_options.checkpoint.keep)
        if checkpoints.restore(tell):
            say(f"  going on from step {checkpoints.step:,}")
        elif train_options.warm_start:
            checkpoints.warm_started_from = warm_start(
                model, base_model, model_options, shape, labels, split, tell
            )
    start_step = checkpoints.step
    check_same_start(strategy, start_step, model.network.get_weights())
    batches = strategy.distribute_datasets_from_function(
        lambda part: dataset.train_dataset(
            files,
            preprocess,
            train_options.batch_size,
            seed=train_options.seed,
            start_step=start_step,
            flip=train_options.flip,
            shuffle_buffer=train_options.shuffle_buffer,
            labels=labels,
            part=part,
        )
    )
    callbacks = [RaiseOnDivergence()]
    if chief:
        grid_images = tf.range(GRID_SIDE**2, dtype=tf.int64)
        progress = ProgressBar(train_options.steps, start_step, train_options.batch_size)
        board = TensorBoardLog(
            log_folder,
            start_step=start_step,
            batch_size=train_options.batch_size,
            log_every=train_options.log_every,
            grid_every=train_options.grid_every,
            x0=noise_from_seeds(grid_images, shape),
            nb_step=sample_options.nb_step,
            label=grid_images % len(labels) if labels else None,
        )
        every_images = train_options.checkpoint.every_images or math.inf
        saving = SaveCheckpoints(
            checkpoints,
            every_seconds=train_options.checkpoint.every_seconds,
            every_steps=every_images / train_options.batch_size,
        )
        callbacks = [progress, board, *callbacks, saving]
    started = time.monotonic()
    if start_step < train_options.steps:
        try:
            with exit_on_sigterm():
                model.fit(
                    batches,
                    steps_per_epoch=train_options.steps - start_step,
                    verbose=0,
                    callbacks=callbacks,
                )
        except (KeyboardInterrupt, SystemExit):
            if chief:
                checkpoints.save()
            raise
        except tf.errors.UnavailableError as error:
            if not has_several_workers(strategy):
                raise
            raise WorkerLostError(
                "another worker has ended, or the network between them failed; start all again, to "
                "go on from the last checkpoint"
            ) from error
        finally:
            if chief:
                progress.on_train_end()  # Keras does not, after an exception
    return Trained(
        model,
        {
            "loss": board.mean_loss if chief else None,
            "images_seen": train_options.steps * train_options.batch_size,
            "seconds": time.monotonic() - started,
            "steps": train_options.steps,
            "resumed_from_step": start_step,
        },
        checkpoints.warm_started_from,
    )
