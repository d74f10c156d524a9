"""Builds what is trained: the network, its average and its optimizer, from the options."""

from dataclasses import replace

import keras

from trainer.iadb import IADBModel, Sampling, Training
from trainer.networks.unet import LEFT_TO_ADAM, build_unet
from trainer.ode.guidance import Guidance
from trainer.ode.options import SampleOptions
from trainer.optimizers.adam import FusedAdam
from trainer.optimizers.muon import ConvolutionalMuon
from trainer.options import ModelOptions, TrainOptions
from trainer.source.options import Source


def build_model(
    model: ModelOptions,
    train: TrainOptions,
    sample: SampleOptions,
    shape: tuple[int, int, int],
    nb_class: int = 0,
    source: Source | None = None,
) -> IADBModel:
    """Builds and compiles the model that the options describe, with weights drawn from the seed.

    Args:
        model: the network.
        train: precision, optimizer, average and seed.
        sample: the solver.
        shape: (H, W, C) of an image.
        nb_class: number of classes of a conditional model.
        source: how sources are used; None for images without.
    """
    keras.utils.set_random_seed(train.seed)
    source_channels = source.seen_channels(shape[-1]) if source else 0
    network = build_unet(model, shape, train.precision, nb_class, source_channels)
    training = replace(
        training_of(train),
        pair_noise=source.noise if source else 0.0,
        guide_after=train.guide_step,
    )
    iadb = IADBModel(
        network,
        nb_class=nb_class,
        source_channels=source_channels,
        training=training,
        sampling=sampling_of(sample),
    )
    compile_model(iadb, train)
    return iadb


def training_of(train: TrainOptions) -> Training:
    """How a model is trained by the options, without a guide."""
    return Training(
        seed=train.seed,
        label_dropout=train.label_dropout,
        half_life=train.ema.half_life,
        warmup=train.ema.warmup,
    )


def sampling_of(sample: SampleOptions) -> Sampling:
    """How a model draws by the options."""
    guidance = Guidance(sample.guidance, sample.autoguidance, sample.autoguidance_interval)
    return Sampling(sample.solver, sample.grid, sample.nb_step, guidance)


def compile_model(iadb: IADBModel, train: TrainOptions) -> None:
    """Compiles a model with the optimizer that the options describe."""
    optimizer = _optimizer(train)
    # Float16 gradients underflow unless the loss is scaled.
    iadb.compile(
        optimizer=keras.optimizers.LossScaleOptimizer(optimizer)
        if train.precision == "float16"
        else optimizer
    )


def _optimizer(train: TrainOptions) -> keras.optimizers.Optimizer:
    arguments = {
        "learning_rate": _learning_rate(train),
        "global_clipnorm": train.clip_norm,
        "gradient_accumulation_steps": train.accumulate if train.accumulate > 1 else None,
    }
    if train.optimizer == "adam":
        return FusedAdam(**arguments)
    return ConvolutionalMuon(exclude_layers=LEFT_TO_ADAM, **arguments)


def _learning_rate(train: TrainOptions) -> keras.optimizers.schedules.LearningRateSchedule:
    return keras.optimizers.schedules.CosineDecay(
        initial_learning_rate=0.0,
        warmup_target=train.learning_rate,
        warmup_steps=train.warmup,
        decay_steps=train.steps - train.warmup,
        alpha=0.0 if train.decay == "cosine" else 1.0,
    )
