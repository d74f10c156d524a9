"""The data type of a training's computation, which depends on the hardware."""

import tensorflow as tf

from trainer.light import cpu
from trainer.options import TrainOptions
from trainer.step.replicas import has_several_workers

CAPABILITY = (8, 0)  # of GPUs that multiply bfloat16
# Of an emulated step, against float32; bfloat16: 22.8 s against 1.6 s (preset emoji32, AVX2).
SLOWER = {"bfloat16": "more than ten times slower", "float16": "much slower"}


def resolve_precision(
    options: TrainOptions, strategy: tf.distribute.Strategy
) -> tuple[TrainOptions, str]:
    """Chooses the precision if it is `auto`: bfloat16 where all devices multiply it, else float32.

    With several workers, all call this, and all get the same.

    Args:
        options: as configured.
        strategy: of the training.

    Returns:
        The options with the precision that the network is built with, and one line: what was
        chosen, or that the precision is emulated here; empty if there is nothing to report.
    """
    gpus = tf.config.get_visible_devices("GPU")
    if options.precision != "auto":
        return options, "" if gpus else _warn_of_emulation(options.precision)
    hardware = "all GPUs" if gpus else "the CPU"
    found = all(map(_multiplies_bfloat16, gpus)) if gpus else cpu.multiplies("bfloat16")
    if has_several_workers(strategy):
        hardware = "all workers"
        found = bool(strategy.gather(tf.constant([int(found)]), axis=0).numpy().all())
    precision = "bfloat16" if found else "float32"
    reason = "supported" if found else "since bfloat16 is not supported"
    line = f"train.precision=auto: {precision}, {reason} by {hardware}"
    return options.model_copy(update={"precision": precision}), line


def _multiplies_bfloat16(gpu: tf.config.PhysicalDevice) -> bool:
    details = tf.config.experimental.get_device_details(gpu)
    return details.get("compute_capability", (0, 0)) >= CAPABILITY


def _warn_of_emulation(precision: str) -> str:
    if precision == "float32" or cpu.multiplies(precision):
        return ""
    return (
        f"train.precision={precision} is emulated on this CPU, {SLOWER[precision]} than "
        "float32; to change it: --set train.precision=float32, or auto"
    )
