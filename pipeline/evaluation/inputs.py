"""The models and folders that an evaluation compares: what can be wrong with them is said at once.

TensorFlow takes seconds to start and images take minutes to read, so nothing here needs them.
"""

import json
import os
import shlex
from pathlib import Path
from typing import NamedTuple

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.folders.listing import check_has_images, count_images
from components.image_example_gen.folders.storage import relate
from components.metrics import MIN_IMAGES
from components.sample_evaluator.names import NOT_A_SAMPLER
from components.sample_evaluator.sources import BASELINE, CANDIDATE
from pipeline.config.sections import SPAN_KEYS, DataConfig
from pipeline.config.values import ConfigError
from trainer.common import exit_codes
from trainer.common.text import quantity, shorten
from trainer.names import METADATA

SAVED_MODEL = "saved_model.pb"
EXPECTED = "name a SavedModel or a folder of images"
RELATIONS = {"same": "the same folder as", "inside": "inside", "around": "a folder around"}

_ITSELF = "images would be compared with themselves; name a folder of other images"


class InputError(ValueError):
    """What is compared is neither a model nor a folder of images, or would be with itself."""

    exit_code = exit_codes.USAGE


class Judged(NamedTuple):
    """A candidate or a baseline.

    Attributes:
        folder: of the sampler SavedModel, or of images.
        is_model: which of the two.
    """

    folder: Path
    is_model: bool


class Inputs(NamedTuple):
    """What an evaluation compares.

    Attributes:
        candidate: is judged.
        baseline: the candidate is compared with it; None: with none.
        real: folder of real images.
        training: folder of training images; None: a part of `real` stands in for them.
        sources: folder of what a model is to translate to `real`; None: there are none.
    """

    candidate: Judged
    baseline: Judged | None
    real: Path
    training: Path | None
    sources: Path | None = None

    def judged(self) -> dict[str, Judged]:
        """The candidate, and the baseline if there is one, as the evaluation names them."""
        baseline = {BASELINE: self.baseline} if self.baseline else {}
        return {CANDIDATE: self.candidate} | baseline


def find_inputs(
    candidate: Path,
    baseline: Path | None,
    real: Path,
    training: Path | None,
    min_samples: int,
    sources: Path | None = None,
) -> Inputs:
    """Tells models from folders of images, and checks all of them.

    Args:
        candidate, baseline, real, training, sources: as in `Inputs`.
        min_samples: number of images that a verdict needs.

    Raises:
        InputError: the candidate or the baseline is neither a sampler nor a folder of images, a
            folder would be compared with itself, or a name is not UTF-8.
        ImageDataError: a folder is missing, or has too few images for a verdict.
    """
    for folder in filter(None, (candidate, baseline, real, training, sources)):
        check_name(folder)
    for folder in filter(None, (real, training, sources)):
        if not os.path.isdir(folder):
            raise ImageDataError(
                f"{folder}: {_absence(folder)}; name the folder that holds the images"
            )
    judged = _judged(candidate), baseline and _judged(baseline)
    inputs = Inputs(*judged, real, training, sources)
    _check_apart(inputs)
    for judged in filter(None, (inputs.candidate, inputs.baseline)):
        if not judged.is_model:
            check_count(judged.folder, count_images(str(judged.folder), min_samples), min_samples)
    for folder in filter(None, (training, real, sources)):
        check_has_images(str(folder))
    check_count(real, count_images(str(real), min_samples), min_samples)
    return inputs


def check_name(folder: Path) -> None:
    """Raises an InputError if a path is not UTF-8, which TensorFlow cannot open."""
    try:
        str(folder.absolute()).encode()
    except UnicodeEncodeError:
        raise InputError(f"{folder}: the name is not UTF-8; rename the folder") from None


def check_without_pattern(data: DataConfig) -> None:
    """Raises a ConfigError if images have a pattern, which applies to none of the folders."""
    if not data.pattern:
        return
    keys = ("pattern", *SPAN_KEYS)
    defaults = {name: DataConfig.model_fields[name].default for name in keys}
    without = [
        shlex.join(["--set", f"data.{name}={json.dumps(default)}"])
        for name, default in defaults.items()
        if getattr(data, name) != default
    ]
    raise ConfigError(
        f"data.pattern: got {shorten(repr(data.pattern))}; `iadb evaluate` reads all images in a "
        f"folder, whatever their span: name the folder of one, and add {' '.join(without)}"
    )


def check_count(folder: Path, images: int, min_samples: int, part: str = "") -> None:
    """Raises an ImageDataError if a folder has fewer images than a verdict needs.

    Args:
        folder: of the images.
        images: their number.
        min_samples: the number needed.
        part: which of the images in the folder were counted; empty: all.
    """
    if images < min_samples:
        lower = (
            f", or lower it (--set evaluate.min_samples={images})" if images >= MIN_IMAGES else ""
        )
        raise ImageDataError(
            f"{folder}: {quantity(images, 'image')}{part} cannot be judged: at least "
            f"evaluate.min_samples={min_samples} are needed; add images{lower}"
        )


def _absence(folder: Path) -> str:
    return "not a folder" if os.path.lexists(folder) else "no such folder"


def _judged(folder: Path) -> Judged:
    if not os.path.isdir(folder):
        raise InputError(f"{folder}: {_absence(folder)}; {EXPECTED}")
    if (folder / SAVED_MODEL).is_file():
        if not (folder / METADATA).is_file():
            raise InputError(f"{folder} {NOT_A_SAMPLER}")
        return Judged(folder, is_model=True)
    # First of all, for beside each model, and in a workspace, are pictures of its samples.
    versions = [*folder.glob(f"*/{SAVED_MODEL}"), *folder.glob(f"serving/*/{SAVED_MODEL}")]
    if versions:
        raise InputError(
            f"{folder} holds {quantity(len(versions), 'SavedModel')}; name one of them, for "
            f"example {max(versions).parent}"
        )
    if count_images(str(folder), 1):
        return Judged(folder, is_model=False)
    raise InputError(
        f"{folder}: neither a SavedModel (it has no {SAVED_MODEL}) nor a folder of images"
    )


def _check_apart(inputs: Inputs) -> None:
    """Raises an InputError if images would be compared with themselves."""
    candidate, baseline, real, training, sources = inputs
    if sources:
        _check_pair(
            *("--source", sources, "--real", real),
            "images would be their own sources; name the folder of the sources",
        )
    if training:
        _check_pair(
            *("--train", training, "--real", real),
            "the images to compare with would be the training images; leave --train out to take "
            "half of --real in their place, or name other images",
        )
    if baseline and (baseline.is_model or candidate.is_model):
        if os.path.realpath(baseline.folder) == os.path.realpath(candidate.folder):
            raise InputError(f"--baseline {baseline.folder} is the candidate; name another one")
    elif baseline:
        _check_pair("--baseline", baseline.folder, "the candidate", candidate.folder, _ITSELF)
    for name, judged in (("the candidate", candidate), ("--baseline", baseline)):
        if judged and not judged.is_model:
            _check_pair(name, judged.folder, "--real", real, _ITSELF)
            if training:
                _check_pair(name, judged.folder, "--train", training, _ITSELF)


def _check_pair(one: str, folder: Path, other: str, other_folder: Path, problem: str) -> None:
    """Raises an InputError if two folders are the same, or one is inside the other."""
    if relation := relate(str(folder), str(other_folder)):
        raise InputError(
            f"{one} {folder} is {RELATIONS[relation]} {other} {other_folder}: {problem}"
        )
