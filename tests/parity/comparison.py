"""Compares the network of trainer/networks/unet.py with the output of make_reference.py.

    python tests/parity/comparison.py PYTHON

PYTHON is the interpreter of an environment with torch and diffusers, which `make parity` creates.
Prints one line per configuration, and fails if the networks differ.
"""

import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "-1")  # a GPU may round products to TF32

import diffusers_weights
import numpy as np

from trainer.networks.unet import PUBLISHED, build_unet
from trainer.options import ModelOptions

# Error of outputs: max |ours - reference| / max |reference|. Rounding causes an error of 2e-6; an
# epsilon of 1e-6 instead of 1e-5 in the norms causes 6e-5.
MAX_RELATIVE_ERROR = 1e-5
MAKE_REFERENCE = Path(__file__).with_name("make_reference.py")

# The same networks as CONFIGURATIONS in make_reference.py.
CONFIGURATIONS = {
    "tiny": ModelOptions(
        channels=(4, 8, 8),
        blocks=1,
        attention=(False, True, False),
        attention_head_dim=2,
        norm_groups=2,
        alpha_scale=1.0,
    ),
    "scale_shift": ModelOptions(
        channels=(4, 8),
        blocks=1,
        attention=(False, True),
        attention_head_dim=2,
        norm_groups=2,
        alpha_scale=1.0,
        time_embedding="scale_shift",
    ),
    "small": ModelOptions(channels=(32, 64), blocks=1, attention=(False, True), alpha_scale=1.0),
    "published": PUBLISHED,
}


class Comparison(NamedTuple):
    """The comparison of one network with the reference."""

    parameters: int
    reference_parameters: int
    relative_error: float


def compare(options: ModelOptions, path: Path) -> Comparison:
    """Builds a network with the weights in an archive and runs it on the inputs in the archive.

    Raises:
        KeyError, ValueError: one network has weights that the other does not have.
    """
    with np.load(path, allow_pickle=False) as archive:
        x, alpha, expected = (archive[name] for name in ("x", "alpha", "output"))
        state = {
            name.removeprefix("weights/"): archive[name].astype(np.float32)
            for name in archive.files
            if name.startswith("weights/")
        }
    network = build_unet(options, x.shape[1:])
    diffusers_weights.load(network, state, levels=len(options.channels))
    output = network([x, alpha], training=False).numpy()
    return Comparison(
        network.count_params(),
        sum(array.size for array in state.values()),
        float(np.abs(output - expected).max() / np.abs(expected).max()),
    )


def main(reference_python: str) -> None:
    """Creates the references in a temporary folder and compares all configurations."""
    failed = []
    with tempfile.TemporaryDirectory() as folder:
        command = [reference_python, MAKE_REFERENCE, folder, *CONFIGURATIONS]
        subprocess.run(command, check=True)
        for name, options in CONFIGURATIONS.items():
            ours, reference, error = compare(options, Path(folder, f"{name}.npz"))
            print(f"{name:>10}: {ours:,} parameters (reference {reference:,}), error {error:.1e}")
            if ours != reference or not error <= MAX_RELATIVE_ERROR:
                failed.append(name)
    if failed:
        sys.exit(f"not equal to the reference within {MAX_RELATIVE_ERROR}: {', '.join(failed)}")


if __name__ == "__main__":
    main(sys.argv[1])
