"""The folder that keeps published weights, and checks them whenever they are read."""

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from components.features.errors import FeatureError
from components.features.published import safetensors
from components.features.published.spec import PublishedWeights
from trainer.common import exit_codes
from trainer.common.files import PARTS, atomic_write, locked, sync

FOLDER = "iadb-tfx"
LOCK = ".lock"


class CacheError(FeatureError):
    """The folder cannot be written."""

    exit_code = exit_codes.WORKSPACE


def cache_folder() -> Path:
    """`$IADB_CACHE`, or else the folder of this project in the user's cache."""
    if folder := os.environ.get("IADB_CACHE"):
        return Path(folder).absolute()
    base = os.environ.get("XDG_CACHE_HOME", "")
    # A relative path is to be ignored, by the XDG Base Directory Specification.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / FOLDER


def cached_file(weights: PublishedWeights) -> Path:
    """Where the weights are, if they are there."""
    return cache_folder() / weights.file_name


def is_cached(weights: PublishedWeights) -> bool:
    """Whether the weights are there and undamaged."""
    try:
        load(weights)
    except FeatureError:
        return False
    return True


def load(weights: PublishedWeights) -> dict[str, np.ndarray]:
    """Reads the weights.

    Returns:
        Read-only arrays, float32, by their names in torch's state_dict.

    Raises:
        FeatureError: they are not there, cannot be read, or have another digest.
    """
    file = cached_file(weights)
    get = f"`iadb features get {weights.space}`"
    try:
        content = file.read_bytes()
    except FileNotFoundError:
        raise FeatureError(
            f"evaluate.features: the weights of {weights.space} are not in {file.parent}; run {get}"
        ) from None
    except OSError as error:
        raise FeatureError(f"cannot read {file}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise FeatureError(f"evaluate.features: {file} is damaged; fetch it again with {get}")
    return safetensors.load(content)


def save(weights: PublishedWeights, tensors: Mapping[str, np.ndarray]) -> Path:
    """Writes weights to the folder, whole or not at all, also if two processes do so at once.

    Raises:
        FeatureError: these are other weights.
        CacheError: the folder cannot be written.
    """
    content = safetensors.dump(tensors)
    found = hashlib.sha256(content).hexdigest()
    if found != weights.sha256:
        raise FeatureError(f"these weights have the digest {found}, expected {weights.sha256}")
    file = cached_file(weights)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with locked(file.parent / LOCK):
            for part in file.parent.glob(PARTS):  # of killed processes
                part.unlink()
            with atomic_write(file) as partial:
                partial.write_bytes(content)
                sync(partial)
    except OSError as error:
        raise CacheError(
            f"cannot write {file}: {error.strerror}; free some space there, or set IADB_CACHE to a "
            "folder that can be written"
        ) from None
    return file
