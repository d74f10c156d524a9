"""A Keras model that maps x0 to x1 by the ODE of its network."""

from typing import TYPE_CHECKING, Any

import keras
import tensorflow as tf

from trainer.ode import solvers
from trainer.ode.any_size import call_for_any_size
from trainer.ode.arguments import to_float, to_labels
from trainer.ode.guidance import WHOLE, Interval
from trainer.ode.runge_kutta import VectorField
from trainer.vector_field import autoguided, vector_field

if TYPE_CHECKING:
    from trainer.step.guiding import GuidingNetwork

# Attributes that decide how samples are drawn, and that may be set between two calls.
TRACED = ("solver", "guidance", "nb_step", "autoguidance", "autoguidance_interval")


class SamplingModel(keras.Model):
    """Solves dx/dalpha = d(x, alpha), algorithm 4 of the paper; IADBModel trains d.

    Args:
        network: maps [x float [N, ...], alpha float [N]] to d(x, alpha); with nb_class also takes
            label int64 [N]; with source_channels x has so many further channels.
        average: a network with the average of its weights, which draws the samples; None: `network`
            draws them.
        solver: a Solver, or a name in trainer.ode.solvers.SOLVERS.
        nb_class: number of classes; 0 if the network takes no label.
        guidance: weight of classifier-free guidance.
        nb_step: number of solver steps of `predict`.
        source_channels: channels of a source that the network sees beside x; 0: none.
        guide: the network early in its training, for autoguidance; None: there is none.
        autoguidance: weight of autoguidance; 1: none.
        autoguidance_interval: of the alphas at which samples have it.

    Raises:
        ValueError: the solver is unknown.
    """

    def __init__(
        self,
        network: keras.Model,
        average: keras.Model | None,
        solver: str | solvers.Solver,
        nb_class: int,
        guidance: float,
        nb_step: int,
        source_channels: int = 0,
        guide: "GuidingNetwork | None" = None,
        autoguidance: float = 1.0,
        autoguidance_interval: Interval = WHOLE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.network, self.ema_network = network, average
        self.solver = solver
        self.nb_class, self.guidance, self.nb_step = nb_class, guidance, nb_step
        self.source_channels = source_channels
        self.guide, self.autoguidance = guide, autoguidance
        self.autoguidance_interval = tuple(autoguidance_interval)  # a list in a saved model
        # Keras saves what it finds in attributes of a model.
        self.guide_network = guide.network if guide else None
        self.guide_ready = guide.ready if guide else None

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets an attribute. What was traced with another value is traced anew."""
        super().__setattr__(name, solvers.get(value) if name == "solver" else value)
        if name in TRACED:
            # The loops of the solvers are TensorFlow's: AutoGraph has nothing to rewrite.
            self._transport = tf.function(self._end, autograph=False)
            self._trajectory = tf.function(self._states, autograph=False)
            self.predict_function = None

    @property
    def sampling_network(self) -> keras.Model:
        """The network that draws samples: the average if there is one."""
        return self.ema_network or self.network

    def sample_iadb(
        self,
        x0: tf.Tensor,
        nb_step: int | tf.Tensor,
        label: tf.Tensor | None = None,
        source: tf.Tensor | None = None,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Maps samples of x0 to samples of x1 (algorithm 4), with one trace for all sizes.

        Args:
            x0: float32 [N, ...].
            nb_step: number of solver steps, at least 1.
            label: int [N], 0 to nb_class, or one for all rows, for a conditional network; without
                it, no label.
            source: float32 [N, ..., source_channels], for a network that sees one.

        Returns:
            x1, float32 [N, ...], and the trajectory, float32 [nb_step + 1, N, ...], from x0 to x1.

        Raises:
            ValueError: a label is passed to a network that takes none; or a source to one that sees
                none, or none to one that does; or x0 or source have whole numbers, or labels or
                nb_step others; or rows differ in number.
        """
        states = self._any_size(self._trajectory, x0, nb_step, label, source, axis=1)
        return states[-1], states

    def transport(
        self,
        x0: tf.Tensor,
        nb_step: int | tf.Tensor,
        label: tf.Tensor | None = None,
        source: tf.Tensor | None = None,
    ) -> tf.Tensor:
        """Returns the x1 of `sample_iadb` alone; its memory does not grow with nb_step."""
        return self._any_size(self._transport, x0, nb_step, label, source, axis=0)

    def predict_step(self, data: Any) -> tf.Tensor:
        """Maps a batch of x0, float32 [N, ...], to x1 in `nb_step` steps (algorithm 4).

        It also takes dictionaries of `x0` and, as the network does, `label`, int [N], 0 to
        nb_class, and `source`, float32 [N, ..., source_channels]. Of a tuple, it takes the first.

        Raises:
            ValueError: a conditional network is given a tuple, whose second part could be labels.
        """
        x, other, _ = keras.utils.unpack_x_y_sample_weight(data)
        if self.nb_class and other is not None:
            raise ValueError('predict takes labels in a dictionary: {"x0": x0, "label": label}')
        parts = x if isinstance(x, dict) else {"x0": x}
        return self.transport(nb_step=self.nb_step, **parts)

    def _any_size(
        self,
        function: tf.types.experimental.PolymorphicFunction,
        x0: tf.Tensor,
        nb_step: int | tf.Tensor,
        label: tf.Tensor | None,
        source: tf.Tensor | None,
        axis: int,
    ) -> tf.Tensor:
        if label is not None and not self.nb_class:
            raise ValueError("got a label, but the network takes none (nb_class=0)")
        if (source is not None) != bool(self.source_channels):
            given = "none" if source is None else "one"
            raise ValueError(
                f"source_channels={self.source_channels} decides whether a source is passed; "
                f"got {given}"
            )
        steps = tf.convert_to_tensor(nb_step)
        if not steps.dtype.is_integer or steps.shape.rank not in (None, 0):
            raise ValueError(f"nb_step={nb_step} must be a whole number")
        if (known := tf.get_static_value(steps)) is not None and known < 1:
            raise ValueError(f"nb_step={nb_step} must be at least 1")
        rows = [to_float("x0", x0)]
        if self.nb_class:
            label = self.nb_class if label is None else label
            rows.append(to_labels(label, rows[0], self.nb_class))
        if source is not None:
            rows.append(to_float("source", source))
            if not rows[-1].shape[:-1].is_compatible_with(rows[0].shape[:-1]):
                raise ValueError(
                    f"source has the shape {rows[-1].shape}, but x0 has {rows[0].shape}: pass one "
                    "for each row, of the same sides"
                )
        if tf.executing_eagerly() and not len(rows[0]):  # which convolutions do not take
            return rows[0] if axis == 0 else tf.zeros([int(nb_step) + 1, *rows[0].shape])
        return call_for_any_size(function, tf.cast(steps, tf.int32), rows, axis)

    def _end(self, nb_step: tf.Tensor, x0: tf.Tensor, *conditions: tf.Tensor) -> tf.Tensor:
        return solvers.solve(self.solver, self.field(*conditions), x0, nb_step)

    def _states(self, nb_step: tf.Tensor, x0: tf.Tensor, *conditions: tf.Tensor) -> tf.Tensor:
        return solvers.trajectory(self.solver, self.field(*conditions), x0, nb_step)

    def field(self, *conditions: tf.Tensor) -> VectorField:
        """The network with its guidance.

        Args:
            conditions: labels, int64 [N], if it takes any, and sources, if it sees any.
        """
        left = iter(conditions)
        label = next(left) if self.nb_class else None
        source = next(left) if self.source_channels else None
        network = self.sampling_network
        if self.guide and self.autoguidance != 1.0:
            weight = self.guide.weight(self.autoguidance)
            network = autoguided(network, self.guide.network, weight, self.autoguidance_interval)
        return vector_field(network, label, self.nb_class, self.guidance, source)
