"""A Keras model that checks what its methods are given, before Keras sees it."""

from typing import Any

import keras
import tensorflow as tf

from trainer.ode.arguments import check_format
from trainer.ode.sampling import SamplingModel
from trainer.step.batches import (
    ScaleWarning,
    check_arrays,
    check_batches,
    named,
    reject_weights,
)
from trainer.step.model_arguments import check_trainable
from trainer.step.tuning import untuned

REPLACED = ("loss", "loss_weights", "metrics", "weighted_metrics")  # arguments of compile
CALLBACKS = 4  # position of the callbacks among the arguments of `fit` after x


class CheckedModel(SamplingModel):
    """Trains, measures and predicts as keras.Model does, with errors that say what is wrong.

    Labels are in range, images are scaled to [-1, 1], nothing is given that would have no effect,
    and no training waits for the thread by which tf.data tunes itself.
    """

    def fit(self, x: Any = None, *args: Any, **kwargs: Any) -> keras.callbacks.History:
        """Trains as keras.Model.fit does.

        Raises:
            ValueError: the model was compiled with a loss or metrics, or images are weighted, which
                would have no effect; or a label is beyond those of the network; or x0, x1 or source
                have NaN or infinity, in arrays or in batches of a program; or the network has no
                weights yet, as one that is subclassed before it is called; or a checkpoint would be
                an .h5.
            tf.errors.InvalidArgumentError: a label or an alpha in a dataset is beyond its limits.
        """
        reject_weights(kwargs)
        check_trainable(self.network)
        x = self._checked(x, *args[:1], **kwargs)
        if kwargs.get("validation_data") is not None:
            images, y, weights = keras.utils.unpack_x_y_sample_weight(kwargs["validation_data"])
            reject_weights({"sample_weight": weights})
            images = self._checked(images, y)
            kwargs["validation_data"] = images if y is None else (images, y)
        callbacks = kwargs.get("callbacks")
        given = callbacks if isinstance(callbacks, list | tuple) else [callbacks]
        for each in given:
            if isinstance(each, keras.callbacks.ModelCheckpoint) and not each.save_weights_only:
                check_format(each.filepath)  # now, and not after an epoch
        is_open = len(args) <= CALLBACKS and not isinstance(callbacks, keras.callbacks.CallbackList)
        if isinstance(x, tf.data.Dataset) and is_open:  # to one more
            kwargs["callbacks"] = [*(each for each in given if each), ScaleWarning()]
        return super().fit(x, *args, **kwargs)

    def _checked(self, x: Any, y: Any = None, **_: Any) -> Any:
        """Checks what Keras is given as x and y; returns x."""
        check_arrays(named(x, y), self.nb_class)
        return untuned(check_batches(x, self.nb_class))

    def train_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Takes a step as keras.Model.train_on_batch does; the errors are those of `fit`."""
        reject_weights(kwargs)
        check_trainable(self.network)
        return super().train_on_batch(self._checked(x, *args[:1], **kwargs), *args, **kwargs)

    def test_on_batch(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Measures the loss as keras.Model.test_on_batch does; the errors are those of `fit`."""
        reject_weights(kwargs)
        return super().test_on_batch(self._checked(x, *args[:1], **kwargs), *args, **kwargs)

    def evaluate(self, x: Any = None, *args: Any, **kwargs: Any) -> Any:
        """Measures the loss as keras.Model.evaluate does.

        Raises:
            ValueError: images are weighted, which would have no effect, or a label is beyond those
                of the network, or a value is not finite, as of `fit`.
        """
        reject_weights(kwargs)
        return super().evaluate(self._checked(x, *args[:1], **kwargs), *args, **kwargs)

    def predict(self, x: Any, *args: Any, **kwargs: Any) -> Any:
        """Maps x0 to samples as keras.Model.predict does, by `predict_step`.

        Raises:
            ValueError: a label is beyond those of the network, or a value of x0 or source is not
                finite.
        """
        check_arrays(named(x, name="x0"), self.nb_class, stacklevel=3)
        x = untuned(check_batches(x, self.nb_class, "x0"))
        return super().predict(x, *args, **kwargs)

    def predict_on_batch(self, x: Any) -> Any:
        """Maps a batch as keras.Model.predict_on_batch does; the errors are those of `predict`."""
        check_arrays(named(x, name="x0"), self.nb_class, stacklevel=3)
        return super().predict_on_batch(x)

    def _maybe_symbolic_build(self, iterator: Any = None, data_batch: Any = None) -> None:
        # Every method that trains or measures comes here. Not get_compile_config, which needs an
        # optimizer that can be saved.
        compiled = self._compile_config.config if self.compiled else {}
        if given := [key for key in REPLACED if compiled.get(key)]:
            raise ValueError(f"IADB has its own loss: compile without {', '.join(given)}")
        # Keras averages a batch over replicas, which it cannot for dictionaries, to build the
        # model. Of this one, only the optimizer may not be built; if the first step built it, this
        # would be traced twice. A frozen network can be measured.
        if not self.optimizer or self.optimizer.built:
            return
        if weights := self.network.trainable_variables:
            with self.distribute_strategy.scope():
                self.optimizer.build(weights)
