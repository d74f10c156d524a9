"""What a model can be asked for: labels, solver steps, and images at a time."""

import difflib
from unicodedata import normalize

from pipeline.registry.serving import StoredModel
from trainer.common import exit_codes
from trainer.common.remote_path import AnyPath
from trainer.common.text import list_some, quantity, shorten
from trainer.limit_options import LimitOptions
from trainer.names import FIXED_STEPS


class UnknownLabelError(ValueError):
    """A label that is unknown to the model."""

    exit_code = exit_codes.USAGE


class FixedStepsError(ValueError):
    """Other solver steps than those that a student has learned."""

    exit_code = exit_codes.USAGE


class TooManyStepsError(ValueError):
    """More solver steps than the model accepts."""

    exit_code = exit_codes.USAGE


def known_label(model: StoredModel, label: str | None) -> str:
    """A label as the model spells it; empty for "" and None, which stand for any class.

    A file system may have composed its accents otherwise than a keyboard does.

    Raises:
        UnknownLabelError: the model cannot draw images of the label.
    """
    if label is None or label == "":
        return ""
    labels = model.metadata.get("labels")
    if labels is None:
        raise UnknownLabelError(
            f"{model} takes no label; `iadb run --set model.conditional=true` trains one that does"
        )
    if not isinstance(label, str):
        raise UnknownLabelError(f"label {label!r}: expected the name of a class, as text")
    if label in labels:
        return label
    same = [known for known in labels if normalize("NFC", known) == normalize("NFC", label)]
    if len(same) == 1:
        return same[0]
    close = difflib.get_close_matches(shorten(label), labels, n=1)
    hint = f"did you mean {close[0]!r}?" if close else f"there are {list_some(labels)}"
    raise UnknownLabelError(f"label {shorten(repr(label))}: unknown; {hint}")


def labels_of(model: StoredModel, seeds: range, label: str | list[str] | None) -> list[str]:
    """A label for each seed: the given one or ones, or without one each class in turn.

    Those of an unconditional model are empty. A conditional one draws better with a label than with
    an empty one: see `train.label_dropout`.
    """
    if isinstance(label, list):
        return label
    if label is not None:
        return [label] * len(seeds)
    labels = model.metadata.get("labels") or [""]
    return [labels[seed % len(labels)] for seed in seeds]


def check_steps(model: StoredModel, nb_step: int) -> None:
    """Raises FixedStepsError if the model takes its own solver steps and no others."""
    metadata = model.metadata
    if metadata.get(FIXED_STEPS) and nb_step != metadata["nb_step"]:
        own = quantity(metadata["nb_step"], "solver step")
        raise FixedStepsError(f"{model} is a student of {own}, and takes no other number of them")


def within_limits(model: StoredModel, nb_step: int | None, batch_size: int) -> tuple[int, int]:
    """The steps and the batch size to ask a model for.

    A student with fixed steps takes its own, whatever it is asked for.

    Raises:
        TooManyStepsError: nb_step exceeds the limits of the model.
    """
    metadata = model.metadata
    if nb_step is None or metadata.get(FIXED_STEPS):
        nb_step = metadata["nb_step"]
    nb_step = int(nb_step)  # those of NumPy may be too small for what limits multiply
    if "limits" in metadata:
        limits = LimitOptions.model_validate(metadata["limits"])
        batch_size = limit_batch(model.folder, limits, nb_step, batch_size)
    return nb_step, batch_size


def limit_batch(model: AnyPath, limits: LimitOptions, nb_step: int, batch_size: int) -> int:
    """The images that one call may ask for in these solver steps, at most batch_size.

    Raises:
        TooManyStepsError: nb_step exceeds the limits of the model.
    """
    limited = min(batch_size, limits.images_of(nb_step))
    if not limited:
        raise TooManyStepsError(
            f"{nb_step} solver steps: {model} takes at most {min(limits.nb_step, limits.states)} "
            "(sample.limits of its configuration)"
        )
    return limited
