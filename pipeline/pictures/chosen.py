"""The configuration of a run that names none: chosen for its pictures once, kept, and reused.

The choice is kept in the workspace as a configuration file. Otherwise a folder that grows would
change its resolution, and with it every image and every cached step, from one night to the next.
"""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from components.image_example_gen.storage.remote import is_remote
from pipeline.config import DataConfig, PipelineConfig, load, require_folder
from pipeline.config_values import read_values
from pipeline.console.progress import showing
from pipeline.console.tables import make_console
from pipeline.logs import logging_to
from pipeline.pictures.check import check_images, warn_of_too_few
from pipeline.pictures.choose import (
    choose,
    choose_autoguidance,
    choose_class_balance,
    choose_images,
    choose_network,
    largest_resolution,
)
from pipeline.pictures.kept_choice import (
    AUTOGUIDANCE,
    CLASS_BALANCE,
    CONDITIONAL,
    FOLDER,
    INTERVAL,
    PATTERN,
    RESOLUTION,
    as_overrides,
    flatten,
    keep_choice,
    load_alone,
    read_kept,
)
from pipeline.pictures.look import look
from pipeline.pictures.machine import Machine, cluster_machine, this_machine
from pipeline.pictures.remarks import (
    say_what_fits_better,
    say_what_folders_are,
    say_what_is_small,
    warn_of_cut,
    warn_of_no_classes,
    warn_of_unusable,
)
from pipeline.pictures.seen import Pictures
from pipeline.runners import gpu
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.schema import min_images
from pipeline.workspace import Workspace
from pipeline.yaml_text import quote
from trainer.common.options import Options
from trainer.common.resolution import to_sides
from trainer.common.text import printable, quantity

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Choice:
    """A configuration without --preset and --config, and what to tell a person about it.

    Attributes:
        config: the choice with the overrides.
        lines: what was seen and chosen.
        values: what was chosen, by key with dots; to be kept.
        trained_images: how many images it was chosen for, without those that are held out.
        held_out_images: about how many of them will be held out.
        stops: whether a run will probably stop because of the images.
    """

    config: PipelineConfig
    lines: tuple[str, ...]
    values: Mapping[str, Any]
    trained_images: int = 0
    held_out_images: int = 0
    stops: bool = False


def configure(overrides: Sequence[str], machine: Machine | None = None) -> Choice:
    """Looks at the folder of images that overrides name, and chooses the configuration for it.

    Without a folder, nothing is chosen, and the defaults hold.

    Args:
        overrides: `key=value`, on top of the choice; the network follows a data.resolution in them.
        machine: that will train; None for this one.

    Raises:
        ConfigError: an override is not valid.
        ImageDataError: the folder is missing or unreadable, or has no images that can be read.
    """
    data = _read_data(overrides)
    if data.folder is None:
        lines = ("no --preset, --config or --data: the defaults apply",)
        return Choice(load(overrides=overrides), lines, {})
    pictures = _look(data)
    kept = {FOLDER: data.folder, PATTERN: data.pattern}
    machine = machine or this_machine()
    is_set = data.model_fields_set
    values = {**kept, **choose(pictures, machine)}
    values[CONDITIONAL] &= _may_have_classes(data)
    values |= choose_class_balance(values[CONDITIONAL])
    config = _load(values, overrides, data, machine)
    held_out = pictures.usable * config.data.eval_percent // 100
    trained = pictures.usable - held_out
    rejected = warn_of_unusable(pictures, config.data)
    too_few = warn_of_too_few(trained, held_out, config.validation)
    stops = bool(rejected) or (bool(too_few) and min(trained, held_out) < min_images())
    no_classes = warn_of_no_classes(pictures, config)
    stops = stops or bool(no_classes)
    lines = (
        f"{printable(data.folder)}: {printable(pictures.describe())}",
        f"chosen for them: {_describe(values, config, overrides)}",
        *say_what_folders_are(pictures, config),
        *no_classes,
        *say_what_is_small(pictures, config.data, largest_resolution(machine)),
        *(say_what_fits_better(config, machine) if RESOLUTION[5:] in is_set else []),
        *warn_of_cut(pictures, config.data),
        *rejected,
        *too_few,
        *([f"chosen for a CPU: {gpu.MISSING_LIBRARIES}"] if machine.idle_gpus else []),
    )
    return Choice(config, lines, values, trained, held_out, stops)


def configure_for_cluster(overrides: Sequence[str]) -> Choice:
    """As `configure`, but for a cluster: this machine, which only submits, decides nothing."""
    machine = cluster_machine(_read_section("kubeflow", KubeflowConfig, overrides))
    choice = configure(overrides, machine)
    if not choice.values:
        return choice
    gpus = quantity(machine.gpus, "GPU") if machine.gpus else "any CPU"
    line = f"for {gpus} on the cluster, not for this machine"
    return replace(choice, lines=(*choice.lines, line))


def configure_images(folder: str, overrides: Sequence[str]) -> Choice:
    """As `configure`, but chooses only how the images of a folder are converted."""
    data = _read_data((*overrides, f"{FOLDER}={quote(folder)}"))
    pictures = _look(data)
    resolution = choose(pictures, this_machine())[RESOLUTION]
    values = choose_images(pictures, to_sides(resolution))
    config = _load(values, overrides, data, this_machine())
    seen = f"{printable(data.folder)}: {printable(pictures.describe())}"
    return Choice(config, (f"{seen}: {_describe(values, config, overrides)}",), values)


def configure_run(
    overrides: Sequence[str],
    workspace: Workspace,
    report: Callable[[str], None],
    *,
    keep: bool = True,
) -> PipelineConfig:
    """The configuration of a run: the choice that the workspace keeps for the folder, or a new one.

    Args:
        overrides: as in `configure`.
        workspace: keeps a new choice.
        report: is called with each line for a person.
        keep: whether the workspace keeps a new choice.

    Raises:
        ConfigError: an override or the kept choice is not valid, or the workspace lies in the data.
        ImageDataError: as in `configure`, and as in `check_images` before a choice is kept.
        WorkspaceError: the workspace is in use or cannot be written.
    """
    data = _read_data(overrides)
    require_folder(data, workspace.folder)
    file = workspace.chosen
    values = read_kept(workspace, data)
    if values is not None:
        config = _load(values, overrides, data, this_machine())
        report(
            f"{printable(data.folder)}: as chosen earlier, {_describe(values, config, overrides)}"
        )
        report(f"kept in {file}; remove it to choose again")
        earlier = {CONDITIONAL, CLASS_BALANCE} - values.keys()
        if earlier or _differs_from_a_new_choice(config, overrides):
            report("it was chosen for another machine, or by an earlier version")
        return config
    choice = configure(overrides)
    # Of images that a run rejects, others will come, which the choice may not suit.
    keep = keep and not choice.stops
    if keep:
        check_images(choice.config.data)
        workspace.check_free()  # or a run that is refused would replace the choice of another
        keep_choice(choice.values, workspace)
    for line in choice.lines:
        report(line)
    if keep:
        settings = [f"--set={each}" for each in overrides if not each.startswith(f"{FOLDER}=")]
        arguments = printable(shlex.join([data.folder, *settings]))
        report(f"kept in {file} for later runs; to edit: iadb init {arguments} -o mine.yaml")
    return choice.config


def _differs_from_a_new_choice(config: PipelineConfig, overrides: Sequence[str]) -> bool:
    here = choose_network(config.data.resolution, this_machine())
    kept = {
        "model.channels": list(config.model.channels),
        "model.patch": config.model.patch,
        "train.precision": config.train.precision,
    }
    is_set = dict(flatten(read_values(None, None, overrides)))
    return any(value != here[key] for key, value in kept.items() if key not in is_set)


def _look(data: DataConfig) -> Pictures:
    console = make_console()
    # Lines of progress would stand in a configuration that is written to standard output.
    shown = showing(console, "looking at images") if console.is_terminal else nullcontext()
    if not is_remote(data.folder):
        with shown:
            return look(data)
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "1")  # TensorFlow lists and reads gs://
    with logging_to(Path(os.devnull), verbose=False), shown:
        return look(data)


def _read_data(overrides: Sequence[str]) -> DataConfig:
    return _read_section("data", DataConfig, overrides)


def _read_section(name: str, kind: type[OptionsT], overrides: Sequence[str]) -> OptionsT:
    """A section by itself: others may be valid only together with a choice."""
    try:
        return kind.model_validate(read_values(None, None, overrides).get(name, {}))
    except ValidationError:
        load(overrides=overrides)  # raises the same as a ConfigError
        raise


def _load(
    values: Mapping[str, Any], overrides: Sequence[str], data: DataConfig, machine: Machine
) -> PipelineConfig:
    """The choice below the overrides, with what follows from the resolution and steps of these."""
    following = {}
    if not _may_have_classes(data):
        following[CONDITIONAL] = False
    is_set = RESOLUTION[5:] in data.model_fields_set
    if is_set and data.resolution != to_sides(values[RESOLUTION]):
        following |= choose_network(data.resolution, machine)
    # Not as ModelOptions: channels may be valid only together with the attention that was chosen.
    model = read_values(None, None, overrides).get("model")
    if isinstance(model, Mapping) and model.get("source") == "map":
        following["model.prediction"] = "difference"  # the other one is from noise alone
    config = load(overrides=[*as_overrides({**values, **following}), *overrides])
    # What an earlier version chose stays as it was.
    balance = choose_class_balance(config.model.conditional)
    if CLASS_BALANCE in values and balance != choose_class_balance(values.get(CONDITIONAL, False)):
        following |= balance
    autoguidance = autoguidance_for(config, overrides)
    if AUTOGUIDANCE in values and autoguidance != autoguidance_for(load_alone(values)):
        following |= autoguidance
    return load(overrides=[*as_overrides({**values, **following}), *overrides])


def _may_have_classes(data: DataConfig) -> bool:
    """Whether classes would do no harm.

    Sources say what to draw. Spans may have other classes, with which no warm start continues, and
    images of data.holdout none.
    """
    return not (data.source or data.degrade or data.pattern or data.holdout)


def autoguidance_for(config: PipelineConfig, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What `choose_autoguidance` chooses for the rest of a configuration.

    A weight that an override sets is used on the whole way.
    """
    if AUTOGUIDANCE[7:] in read_values(None, None, overrides).get("sample", {}):
        return {INTERVAL: [0.0, 1.0]}
    plain = config.source is None and config.sample.mark is None and config.sample.guidance == 1.0
    return choose_autoguidance(config.model.prediction, config.train.steps, plain)


def _describe(values: Mapping[str, Any], config: PipelineConfig, overrides: Sequence[str]) -> str:
    """What holds for the keys of a choice; those that overrides set are named as set."""
    resolved = dict(flatten(config.model_dump(mode="json")))
    given = dict(flatten(read_values(None, None, overrides)))
    keys = [key for key in values if key not in (FOLDER, PATTERN)]
    texts = {key: f"{key}={json.dumps(resolved[key], separators=(',', ':'))}" for key in keys}
    chosen = ", ".join(text for key, text in texts.items() if key not in given)
    is_set = ", ".join(text for key, text in texts.items() if key in given)
    return "; set: ".join(filter(None, [chosen or "nothing", is_set]))
