"""Models with an exported network, for tests."""

import keras
import numpy as np

from tests.small_network import build_unet
from trainer.build import sampling_of
from trainer.ode.options import SampleOptions
from trainer.options import ModelOptions
from trainer.serving.onnx_network import write_network
from trainer.serving.sampler import Sampler

SHAPE = (8, 8, 1)
OPTIONS = ModelOptions(channels=(8,), attention=(False,), blocks=1, norm_groups=4)


def randomize(network: keras.Model, scale: float) -> keras.Model:
    """Adds normal noise to all weights: as built, most outputs of a U-Net are nearly linear."""
    rng = np.random.default_rng(0)
    weights = network.get_weights()
    network.set_weights([w + scale * rng.normal(size=w.shape) for w in weights])
    return network


def make_sampler(
    network=None,
    shape=SHAPE,
    labels=(),
    fixed_steps=False,
    **sample,
):
    """Makes a sampler, whose functions can be called without writing it, which takes seconds."""
    options = _sample_options(sample)
    if network is None:
        keras.utils.set_random_seed(0)
        network = build_unet(OPTIONS, shape, nb_class=len(labels))
        randomize(network, 0.1)
    early = _early(network, options)
    how = (sampling_of(options), labels, options.limits)
    return Sampler(network, shape, *how, early=early, fixed_steps=fixed_steps)


def write_sampler(folder, network=None, shape=SHAPE, **arguments):
    """Writes what `make_sampler` makes with the metadata that run_fn writes; returns it."""
    sampler = make_sampler(network, shape, **arguments)
    of_model = {"labels", "fixed_steps"}
    sample = {name: value for name, value in arguments.items() if name not in of_model}
    about = metadata(_sample_options(sample))
    sampler.save(str(folder), {**about, "shape": shape})
    return sampler


def make_translator(source, shape=SHAPE, **sample):
    """Makes a model that translates, without writing it. `source` as of Sampler."""
    options = _sample_options(sample)
    keras.utils.set_random_seed(0)
    network = build_unet(OPTIONS, shape, source_channels=source.seen_channels(shape[-1]))
    randomize(network, 0.1)
    early, limits = _early(network, options), options.limits
    return Sampler(network, shape, sampling_of(options), limits=limits, source=source, early=early)


def write_translator(folder, source, shape=SHAPE, **sample):
    """Writes what `make_translator` makes; returns it."""
    translator = make_translator(source, shape, **sample)
    about = metadata(_sample_options(sample))
    translator.save(str(folder), {**about, "shape": shape, "source": source.model_dump()})
    return translator


def _sample_options(given):
    return SampleOptions(**{"nb_step": 3, **given})


def _early(network, options):
    """Another network of the same kind, in place of the network early in its training."""
    if options.autoguidance == 1.0:
        return None
    early = keras.models.clone_model(network)
    early.set_weights([0.9 * weight for weight in network.get_weights()])
    return early


def metadata(sample):
    """What run_fn writes about a model, as far as an export needs it."""
    return {
        "nb_step": sample.nb_step,
        "config": {"sample": sample.model_dump()},
        "conversion": {"fit": "crop", "background": "#ffffff"},
    }


def write_with_network(folder, **arguments):
    """Writes a sampler and its network beside it, as a training does."""
    sampler = write_sampler(folder, **arguments)
    write_network(sampler.evaluate, str(folder))
    return sampler
