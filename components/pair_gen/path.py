"""The path from noise to image that a teacher takes, and the states between its segments."""

from collections.abc import Sequence
from dataclasses import replace
from types import ModuleType
from typing import Any

import numpy as np
import tensorflow as tf
from pydantic import ValidationError

from components.pair_gen.options import steps_per_segment
from components.sample_evaluator.samples.sampler import SamplerError, load_sampler
from trainer.labels import NO_LABEL
from trainer.light.mark import read_mark
from trainer.ode import solvers
from trainer.ode.noise import noise_from_seeds
from trainer.ode.runge_kutta import VectorField
from trainer.options import SampleOptions
from trainer.vector_field import vector_field


class TeacherPath:
    """Draws with a model as it draws by itself, and keeps states.

    Args:
        model: folder of the sampler SavedModel.
        segments: that the path is divided into, at alphas of the model's own grid. The number of
            its steps is raised to a multiple of them.

    Attributes:
        labels: known labels of a conditional model; empty for others.
        batch_limit: images that it draws in one call.

    Raises:
        SamplerError: the model cannot be sampled, or is of an earlier version.
    """

    def __init__(self, model: str, segments: int) -> None:
        sampler = load_sampler(model)
        metadata = sampler.metadata
        try:
            sample = SampleOptions.model_validate(metadata["config"]["sample"])
            self._shape = tuple(metadata["shape"])
            evaluate = sampler.network.evaluate
        except (AttributeError, KeyError, TypeError, ValidationError) as error:
            raise SamplerError(
                f"{model} is of an earlier version, which draws no pairs; train another"
            ) from error
        self._sampler, self._evaluate = sampler, evaluate  # which lives no longer than its model
        self.labels = sampler.labels
        self._mark = read_mark(metadata)
        self._guidance = sample.guidance
        self._solver = solvers.get(sample.solver, sample.grid, rtol=sample.rtol, atol=sample.atol)
        self._segments = segments
        self._steps = steps_per_segment(sample.nb_step, segments)
        limits = sample.limits
        self.batch_limit = max(1, min(limits.images, limits.states // (segments * self._steps)))

    def states(self, seeds: np.ndarray, labels: Sequence[str]) -> np.ndarray:
        """Draws the image of each seed.

        Args:
            seeds: int64 [N].
            labels: N names of classes, or empty strings; other models than conditional ignore them.

        Returns:
            The states at the ends of the segments from noise to image, float32
            [N, segments + 1, H, W, C].
        """
        known = self.labels
        ids = [len(known) if name == NO_LABEL else known.index(name) for name in labels if known]
        return self._solve(tf.constant(seeds, tf.int64), tf.constant(ids, tf.int64)).numpy()

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int64), tf.TensorSpec([None], tf.int64)],
        autograph=False,
    )
    def _solve(self, seeds: tf.Tensor, ids: tf.Tensor) -> tf.Tensor:
        field = vector_field(
            lambda inputs, training: self._evaluate(*inputs),
            ids if self.labels else None,
            len(self.labels),
            self._guidance,
        )
        x = noise_from_seeds(seeds, self._shape, self._mark)
        if self._solver.adaptive and self._segments > 1:
            nb_step = tf.constant(self._segments * self._steps)
            states = solvers.trajectory(self._solver, field, x, nb_step)[:: self._steps]
        else:
            states = tf.stack(self._follow(field, x))
        return tf.transpose(states, [1, 0, 2, 3, 4])

    def _follow(self, field: VectorField, x: tf.Tensor) -> list[tf.Tensor]:
        """The states at the ends of the segments, from x on; the memory holds no others.

        An adaptive solver goes from 0 to 1 on any grid, so it needs a single segment.
        """
        states = [x]
        for segment in range(self._segments):

            def grid(u: Any, xp: ModuleType, segment: int = segment) -> Any:
                return self._solver.grid((segment + u) / self._segments, xp)

            part = replace(self._solver, grid=grid)
            states.append(solvers.solve(part, field, states[-1], tf.constant(self._steps)).x)
        return states
