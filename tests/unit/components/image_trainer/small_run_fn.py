"""The function that trains, with a small network in place of the U-Net."""

import trainer.build
from tests.small_network import build_unet
from trainer.run_fn import run_fn as train


def run_fn(fn_args):
    """Runs in the workers' processes, which load it by its name."""
    trainer.build.build_unet = build_unet
    train(fn_args)
