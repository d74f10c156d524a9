"""Draws images with the network beside a model, on the CPU, as its SavedModel would.

The images are the same within one gray level.
"""

import importlib.util
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from trainer.common.text import first_line
from trainer.light import network_file
from trainer.light.network_file import NetworkFileError
from trainer.light.noise import noise_from_seeds
from trainer.light.solve import solve, trajectory
from trainer.names import FINGERPRINT, FIXED_STEPS, NETWORK
from trainer.ode import methods
from trainer.ode.choice import Choice
from trainer.ode.guidance import evaluations_per_slope, guide
from trainer.ode.methods import Solver, VectorField

INPUTS = ["x_alpha", "alpha", "label"]  # the last of a conditional network only
# Pixels that the network sees at once: of many more, what it computes takes gigabytes.
AT_ONCE = 16_384
HALF_RANGE = 127.5  # trainer/preprocessing.py, which needs TensorFlow


def has_network(model: Path) -> bool:
    """Whether there is a network beside a model, and onnxruntime to run it."""
    return (model / NETWORK).is_file() and importlib.util.find_spec("onnxruntime") is not None


class LightSampler:
    """Draws the image of each seed.

    Args:
        model: folder of a sampler SavedModel with a network beside it.

    Raises:
        NetworkFileError: the network is damaged, of another version, or was exported from another
            model; the model has no fingerprint to know it by; or onnxruntime is installed but does
            not start.
    """

    def __init__(self, model: Path) -> None:
        file = model / NETWORK
        self._session, about = _load(file)
        self._shape = tuple(self._session.get_inputs()[0].shape[1:])
        try:
            made_of, self._labels = about["fingerprint"], about["labels"]
            self._fixed = about["nb_step"] if about[FIXED_STEPS] else None
            self._own = Choice(about["solver"], about["guidance"], about["grid"])
            methods.get(self._own.solver, self._own.grid)
        except (KeyError, TypeError, ValueError) as error:
            raise NetworkFileError(f"{file} is of another version: {first_line(error)}") from error
        if made_of != network_file.fingerprint(network_file.read_bytes(model / FINGERPRINT)):
            raise NetworkFileError(f"{file} was exported from another model")

    def generate(
        self,
        seeds: np.ndarray,
        nb_step: int,
        labels: Sequence[str],
        choice: Choice | None = None,
    ) -> np.ndarray:
        """Draws images, uint8 [N, H, W, C].

        Args:
            seeds: int64 [N].
            nb_step: solver steps; a model with fixed steps takes its own.
            labels: N names of classes; empty for none. Models without classes ignore them.
            choice: how the ODE is solved; None as the model was exported.
        """
        return to_uint8(solve(*self._ode(seeds, nb_step, labels, choice)))

    def trajectory(
        self,
        seeds: np.ndarray,
        nb_step: int,
        labels: Sequence[str],
        choice: Choice | None = None,
    ) -> np.ndarray:
        """Draws the states from noise to image, uint8 [N, steps + 1, H, W, C]; see `generate`."""
        states = trajectory(*self._ode(seeds, nb_step, labels, choice))
        return to_uint8(states.swapaxes(0, 1))

    def _ode(
        self, seeds: np.ndarray, nb_step: int, labels: Sequence[str], choice: Choice | None
    ) -> tuple[Solver, VectorField, np.ndarray, int]:
        """The arguments of `solve`."""
        choice = choice or self._own
        x0 = noise_from_seeds(seeds, self._shape)
        solver = methods.get(choice.solver, choice.grid)
        return solver, self._field(labels, choice.guidance), x0, self._fixed or nb_step

    def _field(self, labels: Sequence[str], guidance: float) -> VectorField:
        """The network as trainer.ode.field.vector_field."""
        if not self._labels:
            return self._evaluate
        none = len(self._labels)  # the id of no label
        of_name = {"": none} | {name: position for position, name in enumerate(self._labels)}
        ids = np.array([of_name[label] for label in labels], np.int64)
        if evaluations_per_slope(guidance) == 1:
            return lambda x, alpha: self._evaluate(x, alpha, ids)
        ids = np.concatenate([ids, np.full(len(ids), none)])

        def field(x: np.ndarray, alpha: np.ndarray) -> np.ndarray:
            twice = [np.concatenate([rows, rows]) for rows in (x, alpha)]
            with_label, without = np.split(self._evaluate(*twice, ids), 2)
            return guide(with_label, without, guidance)

        return field

    def _evaluate(self, *inputs: np.ndarray) -> np.ndarray:
        height, width, _ = self._shape
        size = max(1, AT_ONCE // (height * width))
        differences = []
        for first in range(0, len(inputs[0]), size):
            rows = [each[first : first + size] for each in inputs]
            differences += self._session.run(None, dict(zip(INPUTS, rows, strict=False)))
        return np.concatenate(differences)


def _load(file: Path) -> tuple[Any, dict[str, Any]]:
    """The session of onnxruntime for a file, and its metadata."""
    content = network_file.read(file)
    try:
        import onnxruntime
    except Exception as error:  # an incomplete installation raises many types
        raise NetworkFileError(
            f"{file} is not used: onnxruntime does not start: {first_line(error)}"
        ) from error

    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors
    # Threads that wait would take the cores of a training.
    settings.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        session = onnxruntime.InferenceSession(
            content, settings, providers=["CPUExecutionProvider"]
        )
        entry = session.get_modelmeta().custom_metadata_map[network_file.METADATA]
        about: dict[str, Any] = dict(json.loads(entry))
    except Exception as error:  # onnxruntime raises many types
        raise NetworkFileError(f"{file} does not load: {first_line(error)}") from error
    return session, about


def to_float(pixels: np.ndarray) -> np.ndarray:
    """Converts uint8 [...] to float32 in [-1, 1]."""
    return (pixels / HALF_RANGE - 1).astype(np.float32)


def to_uint8(x: np.ndarray) -> np.ndarray:
    """Converts float [...] in about [-1, 1] to uint8."""
    return np.round((np.clip(x, -1, 1) + 1) * HALF_RANGE).astype(np.uint8)
