"""Builds what is trained: the network, its average and its optimizer, from the options."""

import keras

from trainer.iadb import IADBModel
from trainer.networks.unet import LEFT_TO_ADAM, build_unet
from trainer.ode import solvers
from trainer.optimizers.adam import FusedAdam
from trainer.optimizers.muon import ConvolutionalMuon
from trainer.options import ModelOptions, SampleOptions, TrainOptions
from trainer.source.options import Source
from trainer.step.ema import ExponentialMovingAverage
from trainer.step.guiding import GuidingNetwork


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
    ema = ExponentialMovingAverage(network, train.ema.half_life, train.ema.warmup)
    iadb = IADBModel(
        network,
        rank=4,
        ema=ema,
        solver=solvers.get(sample.solver, sample.grid),
        seed=train.seed,
        nb_class=nb_class,
        label_dropout=train.label_dropout,
        guidance=sample.guidance,
        source_channels=source_channels,
        pair_noise=source.noise if source else 0.0,
        guide=GuidingNetwork(ema.network, train.guide_step),
        autoguidance=sample.autoguidance,
        autoguidance_interval=sample.autoguidance_interval,
    )
    compile_model(iadb, train)
    return iadb


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
