"""Models with an exported network, for tests."""

import keras
import numpy as np

from tests.small_network import build_unet
from trainer.ode import solvers
from trainer.options import ModelOptions, SampleOptions
from trainer.serving.exported import ExportedGuide
from trainer.serving.onnx_network import write_network
from trainer.serving.sampler import Sampler
from trainer.serving.translator import Translator

SHAPE = (8, 8, 1)
OPTIONS = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)


def randomize(network: keras.Model, scale: float) -> keras.Model:
    """Adds normal noise to all weights: as built, most outputs of a U-Net are nearly linear."""
    rng = np.random.default_rng(0)
    weights = network.get_weights()
    network.set_weights([w + scale * rng.normal(size=w.shape) for w in weights])
    return network


def write_sampler(
    folder,
    network=None,
    shape=SHAPE,
    labels=(),
    precision="float32",
    mark=None,
    fixed_steps=False,
    **sample,
):
    """Writes a sampler with the metadata that run_fn writes; returns it."""
    options = SampleOptions(**{"nb_step": 3, **sample})
    if network is None:
        keras.utils.set_random_seed(0)
        network = build_unet(OPTIONS, shape, precision, nb_class=len(labels))
        randomize(network, 0.1)
    solver = solvers.get(options.solver, options.grid, rtol=options.rtol, atol=options.atol)
    how = (options.nb_step, labels, options.guidance, options.limits)
    guide = _guide(network, options)
    about = {"mark": mark, "guide": guide, "fixed_steps": fixed_steps}
    sampler = Sampler(network, shape, solver, *how, **about)
    sampler.save(str(folder), {**metadata(options, precision), "shape": shape})
    return sampler


def write_translator(folder, source, shape=SHAPE, **sample):
    """Writes a model that translates; returns it. `source` as of Translator."""
    options = SampleOptions(**{"nb_step": 3, **sample})
    keras.utils.set_random_seed(0)
    network = build_unet(OPTIONS, shape, source_channels=source.seen_channels(shape[-1]))
    randomize(network, 0.1)
    guide = _guide(network, options)
    how = (options.solver, options.nb_step)
    translator = Translator(source, network, shape, *how, limits=options.limits, guide=guide)
    about = {**metadata(options), "shape": shape, "source": source.model_dump()}
    translator.save(str(folder), about)
    return translator


def _guide(network, options):
    """Another network of the same kind, in place of the network early in its training."""
    if options.autoguidance == 1.0:
        return None
    early = keras.models.clone_model(network)
    early.set_weights([0.9 * weight for weight in network.get_weights()])
    return ExportedGuide(early, options.autoguidance, options.autoguidance_interval)


def metadata(sample, precision="float32"):
    """What run_fn writes about a model, as far as an export needs it."""
    config = {"sample": sample.model_dump(), "train": {"precision": precision}}
    return {"nb_step": sample.nb_step, "config": config}


def write_with_network(folder, **arguments):
    """Writes a sampler and its network beside it, as a training does."""
    sampler = write_sampler(folder, **arguments)
    write_network(sampler.evaluate, str(folder))
    return sampler
