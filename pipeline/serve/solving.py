"""Solves the ODE of a model with the solver and the guidance that a request chooses.

The graph of a model has those that it was exported with. The signature `deblend` is its network
alone, or `slope` with autoguidance, so the solvers of trainer/ode work on it here as they do in the
graph, for any model.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from pipeline.serve.errors import RequestError
from pipeline.serve.tensors import BYTES, Signature, TensorSpec
from trainer.common.text import printable, shorten
from trainer.labels import NO_LABEL
from trainer.light.noise import noise_from_seeds
from trainer.light.sampler import to_float, to_uint8
from trainer.ode import methods, solvers
from trainer.ode.guidance import evaluations_per_slope, guide
from trainer.options import SampleOptions
from trainer.source.options import Source
from trainer.step.path import blend_noise, part_of_source

MAX_GUIDANCE = 1000  # beyond any use, and far from what float32 cannot hold
SOLVER = TensorSpec("solver", BYTES, ())
GUIDANCE = TensorSpec("guidance", np.dtype(np.float64), ())


@dataclass(frozen=True)
class Choice:
    """How a request is solved.

    Attributes:
        solver: a name in trainer.ode.methods.SOLVERS.
        guidance: weight of classifier-free guidance.
    """

    solver: str
    guidance: float

    @property
    def cost(self) -> int:
        """Network evaluations per step."""
        slopes = methods.SOLVERS[self.solver].nfe_per_step
        return slopes * evaluations_per_slope(self.guidance)


class Solving:
    """The ODE of a model.

    Args:
        sample: how the model samples by itself; its grid holds for every choice.
        network: the signature `deblend`, or `slope` of a model that draws with autoguidance.
        evaluate: calls that signature.
        source: how a model that translates uses its sources; None for one that draws from noise.

    Attributes:
        own: the choice that is in the graph.
        inputs: those by which a request chooses, for a signature with solver steps.
    """

    def __init__(
        self,
        sample: SampleOptions,
        network: Signature,
        evaluate: Callable[..., Mapping[str, tf.Tensor]],
        source: Source | None,
    ) -> None:
        self.own = Choice(sample.solver, sample.guidance)
        self.inputs = {SOLVER.name: SOLVER}
        if "label" in network.inputs:
            self.inputs[GUIDANCE.name] = GUIDANCE
        self._sample = sample
        self._network = network
        self._evaluate = evaluate
        self._source = source

    def choice(self, inputs: Mapping[str, np.ndarray]) -> Choice:
        """What a request chooses.

        Raises:
            RequestError: there is no such solver or guidance.
        """
        solver, guidance = self.own.solver, self.own.guidance
        if SOLVER.name in inputs:
            solver = inputs[SOLVER.name].item().decode(errors="replace")
            if solver not in methods.SOLVERS:
                known = ", ".join(methods.SOLVERS)
                raise RequestError(f"solver: expected {known}; got {printable(shorten(solver))}")
        if GUIDANCE.name in inputs:
            guidance = inputs[GUIDANCE.name].item()
            if not 0 <= guidance <= MAX_GUIDANCE:  # false for NaN
                raise RequestError(f"guidance: expected 0 to {MAX_GUIDANCE}; got {guidance}")
        return Choice(solver, guidance)

    def own_steps(self, nb_step: int, choice: Choice) -> int:
        """The steps of the model's own choice that cost as much, at least nb_step."""
        return max(nb_step, -(-nb_step * choice.cost // self.own.cost))

    def call(
        self, signature: str, inputs: Mapping[str, np.ndarray], choice: Choice
    ) -> dict[str, np.ndarray]:
        """The outputs of a signature with solver steps, as its graph computes them."""
        nb_step = tf.constant(inputs["nb_step"])
        solver = methods.get(choice.solver, self._sample.grid)
        field = self._field(inputs, choice.guidance)
        if signature == "invert":
            x1 = tf.constant(to_float(inputs["image"]))
            x0 = solvers.solve(solver, field, x1, nb_step, backward=True).numpy()
            if not self._source:
                return {"x0": x0}
            return {"source": to_uint8(part_of_source(x0, self._source.noise))}
        x0 = self._start(inputs)
        if signature == "trajectory":
            states = solvers.trajectory(solver, field, x0, nb_step).numpy()
            return {"trajectory": np.stack([to_uint8(each) for each in states], axis=1)}
        x1 = solvers.solve(solver, field, x0, nb_step).numpy()
        return {"x1": x1} if signature == "transport" else {"image": to_uint8(x1)}

    def _start(self, inputs: Mapping[str, np.ndarray]) -> tf.Tensor:
        """x0, float32 [N, H, W, C]."""
        if "x0" in inputs:
            return tf.constant(inputs["x0"])
        shape = self._network.outputs["difference"].shape[1:]
        noise = None
        if "seed" in inputs:
            noise = tf.constant(noise_from_seeds(inputs["seed"], shape))
        if not self._source or self._source.use == "condition":
            return noise
        colors = inputs["source"][..., : shape[-1]]  # without a mask
        return blend_noise(tf.constant(to_float(colors)), noise, self._source.noise)

    def _field(self, inputs: Mapping[str, np.ndarray], guidance: float) -> methods.VectorField:
        given = {
            name: spec.tensor(inputs[name])
            for name, spec in self._network.inputs.items()
            if name in inputs
        }

        def network(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
            return self._evaluate(x_alpha=x, alpha=alpha, **given)["difference"]

        if evaluations_per_slope(guidance) == 1 or "label" not in given:
            return network
        unlabeled = {**given, "label": tf.fill(tf.shape(given["label"]), NO_LABEL)}

        def field(x: tf.Tensor, alpha: tf.Tensor) -> tf.Tensor:
            without = self._evaluate(x_alpha=x, alpha=alpha, **unlabeled)["difference"]
            return guide(network(x, alpha), without, guidance)

        return field
