"""Writes the configuration for a folder of images, from a look at them and at the machine."""

import math
import os
import shlex
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipeline.choosing.choose import most_steps
from pipeline.choosing.chosen import Choice, configure, describe_choice
from pipeline.choosing.machine import this_machine
from pipeline.config.pipeline_config import ConfigError, PipelineConfig
from pipeline.config.yaml_text import dump, quote
from pipeline.console.progress import showing
from pipeline.logs import logging_to
from trainer.common.files import atomic_write
from trainer.common.phases import duration
from trainer.common.text import first_line, printable, quantity

# Written beside what is chosen and set: what a person looks for first.
OTHERS = ("data.near_duplicates", "evaluate.limits", "evaluate.features.name")
MIN_STEPS = 100
HOUR = 3600


def initialize(
    folder: str, overrides: Sequence[str], hours: float | None, file: Path, console: Console
) -> None:
    """Looks at images and the machine, times training steps, and writes a configuration.

    Args:
        folder: data.folder, of the images.
        overrides: `key=value`, on top of what is chosen.
        hours: that the training may take; None for as many steps as are chosen.
        file: to write.
        console: to print on.

    Raises:
        ConfigError: the folder or an override is not valid, or the time is too short.
        ImageDataError: the folder is missing or unreadable, or has no images that can be read.
        OSError: the file cannot be written.
        KeyboardInterrupt: on Ctrl-C; nothing is written.
    """
    overrides = (*overrides, f"data.folder={quote(folder)}")
    choice = configure(overrides)
    _say(console, "\n".join([*choice.seen, *choice.remarks]))  # the time decides what is chosen
    seconds, config, shortened = _fit_to_time(choice, overrides, hours, console)
    machine = this_machine()
    cores = quantity(machine.cores, "core")
    gpus = quantity(machine.gpus, "GPU") if machine.gpus else "no GPU"
    taken = (
        f"{cores}, {gpus}: {config.train.steps:,} steps of {config.train.batch_size} images take "
        f"about {duration(seconds)} here"
    )
    keys = {*choice.values, *OTHERS, *(each.partition("=")[0] for each in overrides)}
    with atomic_write(file) as partial:
        partial.write_text(_head(*choice.seen, taken, *shortened) + dump(config, keys), "utf-8")
    chosen = f"chosen for them: {describe_choice(choice.values, config, overrides)}"
    _say(console, "\n".join([chosen, taken, *shortened, f"written to {file}"]))
    command = ["iadb", "run", "--config", str(file)]
    images = Path(config.data.folder).resolve()
    if Path.cwd().is_relative_to(images):  # so would the default workspace be
        command += ["--workspace", str(images.with_name("workspace"))]
    _say(console, f"next: {printable(shlex.join(command))}")


def _fit_to_time(
    choice: Choice, overrides: Sequence[str], hours: float | None, console: Console
) -> tuple[float, PipelineConfig, list[str]]:
    """The seconds of the training, the configuration with as many steps as fit, and why fewer."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")
    config = choice.config
    shortened = []
    with logging_to(Path(os.devnull), verbose=False), showing(console, "timing training steps"):
        from pipeline.choosing.timing import steps_within, time_training, training_seconds

        timings = time_training(config)
        if hours is not None:
            steps = steps_within(config, timings, hours * HOUR)
            if steps < MIN_STEPS:
                least = training_seconds(config, timings, MIN_STEPS) / HOUR
                raise ConfigError(
                    f"--hours {hours:g} allow {max(steps, 0)} training steps; give at least "
                    f"{math.ceil(100 * least) / 100:g} for {MIN_STEPS}, or lower data.resolution"
                )
            steps = _rounded(steps)
            most = most_steps(choice.trained_images, config.train.batch_size)
            if steps > most:
                shortened = [
                    f"--hours {hours:g} allow {steps:,} steps; {most:,} are enough for "
                    f"{quantity(choice.trained_images, 'image')} to train on"
                ]
            try:
                config = choice.with_steps(min(steps, most), overrides)
            except ConfigError as error:
                raise ConfigError(f"--hours {hours:g}: {first_line(error)}") from None
        return training_seconds(config, timings, config.train.steps), config, shortened


def _rounded(steps: int) -> int:
    """Rounds down to two digits."""
    unit = 10 ** max(len(str(steps)) - 2, 0)
    return steps // unit * unit


def _head(*lines: str) -> str:
    head = [
        "Written by `iadb init`.",
        *lines,
        "Every other key keeps its default: `iadb config show` lists them all.",
    ]
    return "".join(f"# {line}\n" for line in head)


def _say(console: Console, text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
