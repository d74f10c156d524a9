"""Solves the ODE of an exported model with the solver and the guidance that a caller chooses.

The graph of a model has those that it was exported with. The signature `deblend` is its network
alone, or `slope` with autoguidance, so the solvers of trainer/ode work on it here as they do in the
graph, for any model.
"""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from trainer.labels import NO_LABEL
from trainer.light.noise import noise_from_seeds
from trainer.light.sampler import to_float, to_uint8
from trainer.ode import methods, solvers
from trainer.ode.choice import Choice
from trainer.ode.guidance import evaluations_per_slope, guide
from trainer.source.options import Source
from trainer.step.path import blend_noise, part_of_source

Network = Callable[..., Mapping[str, tf.Tensor]]
NETWORKS = ("slope", "deblend")  # signatures; not every model has the first one


def solve(
    signature: str,
    functions: Mapping[str, Network],
    inputs: Mapping[str, Any],
    choice: Choice,
    source: Source | None,
) -> dict[str, np.ndarray]:
    """The outputs of a signature with solver steps, as its graph computes them.

    Args:
        signature: its name.
        functions: the signatures of the loaded model, by name.
        inputs: arrays by input of the signature.
        choice: the solver and the guidance.
        source: how a model that translates uses its sources; None for one that draws from noise.
    """
    network = next(functions[name] for name in NETWORKS if name in functions)
    nb_step = tf.constant(inputs["nb_step"], tf.int32)
    solver = methods.get(choice.solver, choice.grid)
    field = _field(network, inputs, choice.guidance)
    if signature == "invert":
        x1 = tf.constant(to_float(inputs["image"]))
        x0 = solvers.solve(solver, field, x1, nb_step, backward=True).numpy()
        if not source:
            return {"x0": x0}
        return {"source": to_uint8(part_of_source(x0, source.noise))}
    x0 = _start(inputs, network.structured_outputs["difference"].shape[1:], source)
    if signature == "trajectory":
        states = solvers.trajectory(solver, field, x0, nb_step).numpy()
        return {"trajectory": np.stack([to_uint8(each) for each in states], axis=1)}
    x1 = solvers.solve(solver, field, x0, nb_step).numpy()
    return {"x1": x1} if signature == "transport" else {"image": to_uint8(x1)}


def _start(
    inputs: Mapping[str, Any], shape: tuple[int, int, int], source: Source | None
) -> tf.Tensor:
    """x0, float32 [N, H, W, C]."""
    if "x0" in inputs:
        return tf.constant(inputs["x0"])
    noise = None
    if "seed" in inputs:
        noise = tf.constant(noise_from_seeds(np.asarray(inputs["seed"], np.int64), tuple(shape)))
    if not source or source.use == "condition":
        return noise
    colors = inputs["source"][..., : shape[-1]]  # without a mask
    return blend_noise(tf.constant(to_float(colors)), noise, source.noise)


def _field(network: Network, inputs: Mapping[str, Any], guidance: float) -> methods.VectorField:
    _, taken = network.structured_input_signature
    given = {
        name: tf.constant(inputs[name], spec.dtype)
        for name, spec in taken.items()
        if name in inputs
    }

    def plain(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
        return network(x_alpha=x, alpha=alpha, **given)["difference"]

    if evaluations_per_slope(guidance) == 1 or "label" not in given:
        return plain
    unlabeled = {**given, "label": tf.fill(tf.shape(given["label"]), NO_LABEL)}

    def field(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
        without = network(x_alpha=x, alpha=alpha, **unlabeled)["difference"]
        return guide(plain(x, alpha), without, guidance)

    return field
