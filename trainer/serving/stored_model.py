"""A model in a folder: its metadata, what it can be asked for, and its signatures."""

import contextlib
import difflib
import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property, partial
from typing import Any
from unicodedata import normalize

import numpy as np

from trainer.common import exit_codes, xmp
from trainer.common.progress import phase
from trainer.common.remote_path import AnyPath
from trainer.common.text import LINE, first_line, list_some, printable, quantity, shorten
from trainer.light import gpus
from trainer.light.network_file import NetworkFileError
from trainer.light.sampler import LightSampler, has_network
from trainer.ode.choice import Choice
from trainer.serving.model_metadata import ModelMetadata

_log = logging.getLogger(__name__)

_NODE = re.compile(r"^\{\{function_node [^}]*\}\} *")
# The parts of its message, each in brackets, to the end of the line; names may have brackets too.
_CHECK = re.compile(r"assertion failed: \[([^\n]*)\]")
_CONDITION = "] [Condition "  # what TensorFlow adds to the message of a comparison

# (seeds int64 [N], nb_step, N labels) -> uint8 [N, ...]
Draw = Callable[[np.ndarray, int, Sequence[str]], np.ndarray]


class SavedModelError(ValueError):
    """A folder whose SavedModel does not load; the message is one line."""

    exit_code = exit_codes.USAGE


class ModelArgumentError(ValueError):
    """What a model does not take: a label, a number of solver steps, an input of a request."""

    exit_code = exit_codes.USAGE


class StoredModel:
    """A SavedModel and its metadata, read once: retention may remove both while it is in use.

    TensorFlow starts, and loads the model, when its signatures are needed.

    Args:
        folder: of the SavedModel.
        about: its metadata.

    Attributes:
        folder, about: as given.
        metadata: all that is recorded (assets.extra/iadb.json).
        shape: (H, W, C) of its images.
        labels: names of its classes; empty if it takes no label.
        nb_step: the number of solver steps where none is given.
    """

    def __init__(self, folder: AnyPath, about: ModelMetadata) -> None:
        self.folder = folder
        self.about = about
        self.metadata: dict[str, Any] = about.recorded
        self._saved_model: Any = None  # which its signatures do not keep
        self.shape, self.labels, self.nb_step = about.shape, about.labels, about.nb_step

    def __str__(self) -> str:
        return str(self.folder)

    @property
    def mark(self) -> str:
        """The XMP packet for images that it draws (trainer/common/xmp.py)."""
        return xmp.packet(self.about.weights or "")

    def known_label(self, label: str | None) -> str:
        """A label as the model spells it; empty for "" and None, which stand for any class.

        A file system may have composed its accents otherwise than a keyboard does.

        Raises:
            ModelArgumentError: the model cannot draw images of the label.
        """
        if label is None or label == "":
            return ""
        if not self.labels:
            raise ModelArgumentError(
                f"{self} takes no label; `iadb run --set model.conditional=true` trains one that "
                "does"
            )
        if not isinstance(label, str):
            raise ModelArgumentError(f"label {label!r}: expected the name of a class, as text")
        if label in self.labels:
            return label
        same = [
            known for known in self.labels if normalize("NFC", known) == normalize("NFC", label)
        ]
        if len(same) == 1:
            return same[0]
        close = difflib.get_close_matches(shorten(label), self.labels, n=1)
        hint = f"did you mean {close[0]!r}?" if close else f"there are {list_some(self.labels)}"
        raise ModelArgumentError(f"label {shorten(repr(label))}: unknown; {hint}")

    def labels_of(self, seeds: Sequence[int], label: str | list[str] | None) -> list[str]:
        """A label for each seed: the given one or ones, or without one each class in turn.

        Those of an unconditional model are empty. A conditional one draws better with a label than
        with an empty one: see `train.label_dropout`.
        """
        if isinstance(label, list):
            return label
        if label is not None:
            return [label] * len(seeds)
        labels = self.labels or [""]
        return [labels[seed % len(labels)] for seed in seeds]

    def choice(self, solver: str | None, guidance: float | None) -> Choice | None:
        """How the ODE is solved; None as the model was exported.

        Args:
            solver: the name of one; None for that of the model.
            guidance: weight of classifier-free guidance; None for that of the model.

        Raises:
            ModelArgumentError: the steps of the model are fixed, or it takes no labels and a
                guidance is given.
            ChoiceError: there is no such solver or guidance.
        """
        if solver is None and guidance is None:
            return None
        if self.about.fixed_steps:
            raise ModelArgumentError(
                f"{self} is a student of its own solver and guidance, and takes no other"
            )
        own = self.about.choice
        choice = own.but(solver, guidance, conditional=bool(self.labels))
        return None if choice == own else choice

    def check_steps(self, nb_step: int) -> None:
        """Raises ModelArgumentError if it takes its own solver steps and no others."""
        if self.about.fixed_steps and nb_step != self.nb_step:
            own = quantity(self.nb_step, "solver step")
            raise ModelArgumentError(
                f"{self} is a student of {own}, and takes no other number of them"
            )

    def within_limits(self, nb_step: int | None, batch_size: int) -> tuple[int, int]:
        """The steps to ask for, and how many images of a batch one call may ask for in them.

        A student with fixed steps takes its own, whatever it is asked for.

        Raises:
            ModelArgumentError: nb_step exceeds the limits of the model.
        """
        if nb_step is None or self.about.fixed_steps:
            nb_step = self.nb_step
        nb_step = int(nb_step)  # those of NumPy may be too small for what limits multiply
        limits = self.about.limits
        if not (allowed := limits.images_of(nb_step)):
            raise ModelArgumentError(
                f"{nb_step} solver steps: {self} takes at most "
                f"{min(limits.nb_step, limits.states)} (sample.limits of its configuration)"
            )
        return nb_step, min(batch_size, allowed)

    def load(self) -> Mapping[str, Any]:
        """The functions of the SavedModel by name; the first call starts TensorFlow and loads it.

        Raises:
            SavedModelError: it is damaged.
        """
        if self._saved_model is None:
            self._saved_model = load_saved_model(self.folder)
        return self._saved_model.signatures

    def call(
        self, signature: str, rows: Mapping[str, Any], choice: Choice | None = None
    ) -> np.ndarray:
        """Calls a signature with those of the inputs that it takes; returns its one output.

        Args:
            signature: its name.
            rows: arrays by input. A seed is left out where the model takes none, for example.
            choice: how the ODE is solved; None as the model was exported.

        Raises:
            ModelArgumentError: the request is bad.
        """
        functions = self.load()
        import tensorflow as tf

        _, taken = functions[signature].structured_input_signature
        given = {name: tf.constant(rows[name], spec.dtype) for name, spec in taken.items()}
        try:
            if choice is None:
                (output,) = functions[signature](**given).values()
                return output.numpy()
            from trainer.serving.solving import solve

            inputs = {name: np.asarray(rows[name]) for name in given}
            (output,) = solve(signature, functions, inputs, choice, self.about.source).values()
        except tf.errors.InvalidArgumentError as error:
            raise ModelArgumentError(reason(error.message)) from None
        return output

    def call_in_parts(
        self,
        signature: str,
        rows: Mapping[str, Any],
        nb_step: int,
        size: int,
        choice: Choice | None = None,
    ) -> np.ndarray:
        """Calls a signature for `size` rows at a time, at least once; as `call`."""
        count, results = len(next(iter(rows.values()))), []
        for start in range(0, max(count, 1), size):
            part = {name: each[start : start + size] for name, each in rows.items()}
            results.append(self.call(signature, {**part, "nb_step": nb_step}, choice))
        return np.concatenate(results)

    def drawing(
        self,
        name: str,
        warn: Callable[[str], None] = _log.warning,
        choice: Choice | None = None,
    ) -> Draw:
        """What draws: `generate` or `trajectory`.

        It is the network beside the model as ONNX, where onnxruntime is installed and there is no
        GPU that TensorFlow can use: onnxruntime starts sooner.

        Args:
            name: of the two.
            warn: is called with one line if that network cannot be used, and TensorFlow draws.
            choice: how the ODE is solved; None as the model was exported.

        Raises:
            SavedModelError: the model is damaged.
        """
        has_gpu = gpus.find() is not None and gpus.has_libraries()
        if not has_gpu and has_network(self.folder):
            try:
                return partial(getattr(self._light, name), choice=choice)
            except NetworkFileError as error:
                warn(f"{error}; TensorFlow draws the images")
        self.load()

        def draw(seeds: np.ndarray, nb_step: int, labels: Sequence[str]) -> np.ndarray:
            return self.call(name, {"seed": seeds, "nb_step": nb_step, "label": [*labels]}, choice)

        return draw

    @cached_property
    def _light(self) -> LightSampler:
        with phase("loading the model"):
            return LightSampler(self.folder)


def load_saved_model(folder: AnyPath) -> Any:
    """Loads the SavedModel in a folder; the object holds the weights of its signatures.

    Raises:
        SavedModelError: it is damaged.
    """
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside a training
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")  # errors are raised; the rest is advice
    with phase("starting TensorFlow"), _without_stderr():
        import tensorflow as tf
    try:
        with phase("loading the model"):
            return tf.saved_model.load(str(folder))
    except (
        MemoryError,
        PermissionError,
        tf.errors.PermissionDeniedError,
        tf.errors.ResourceExhaustedError,
        tf.errors.UnavailableError,
    ):
        raise  # which says nothing about the model
    except Exception as error:  # TensorFlow raises many types on a damaged SavedModel
        raise SavedModelError(
            f"{folder} does not load as a SavedModel: {first_line(error)}"
        ) from error


@contextlib.contextmanager
def _without_stderr() -> Iterator[None]:
    """Drops what libraries in C++ write as they are loaded, before they know a level of logging."""
    if "tensorflow" in sys.modules:
        yield
        return
    kept = os.dup(2)
    with open(os.devnull, "wb") as null:
        os.dup2(null.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)


def reason(message: str) -> str:
    """What TensorFlow's message says, without its nodes and stack traces."""
    if found := _CHECK.search(message):
        said = found[1].partition(_CONDITION)[0].replace("] [", " ")
        return printable(shorten(said.strip(), LINE))
    lines = [_NODE.sub("", line) for line in message.strip().splitlines()]
    return printable(shorten(lines[0].strip(), LINE))
