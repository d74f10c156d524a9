"""The configuration of a run that names none: chosen for its pictures once, kept, and reused.

The choice is kept in the workspace as a configuration file. Otherwise a folder that grows would
change its resolution, and with it every image and every cached step, from one night to the next.
"""

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import count_images
from components.image_example_gen.storage.remote import is_remote
from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.config.sections import DataConfig, require_folder
from pipeline.config.values import read_values
from pipeline.config.yaml_text import quote
from pipeline.console.progress import showing
from pipeline.console.tables import make_console
from pipeline.logs import logging_to
from pipeline.pictures.applied import describe_choice, load_choice, may_have_classes
from pipeline.pictures.check import check_images, warn_of_no_verdict, warn_of_too_few
from pipeline.pictures.choose import (
    choose,
    choose_class_balance,
    choose_judged,
    choose_network,
    largest_resolution,
)
from pipeline.pictures.kept_choice import (
    CLASS_BALANCE,
    CONDITIONAL,
    FOLDER,
    PATTERN,
    RESOLUTION,
    Kept,
    flatten,
    keep_choice,
    read_kept,
)
from pipeline.pictures.look import look
from pipeline.pictures.machine import Machine, cluster_machine, this_machine
from pipeline.pictures.remarks import (
    say_what_fits_better,
    say_what_folders_are,
    say_what_is_small,
    say_which_are_rejected,
    warn_of_cut,
    warn_of_less_detail,
    warn_of_no_classes,
    warn_of_unusable,
)
from pipeline.pictures.seen import Pictures
from pipeline.runners import gpu
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.workspace import Workspace
from trainer.common.options import Options
from trainer.common.text import printable, quantity

GROWN = 3  # times the files that a choice was made for, from which a new one is advised
LARGE = 20_000  # files, from which more of them change no choice
OF_IMAGES = (RESOLUTION, "data.channels", "data.background", CONDITIONAL)

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Choice:
    """A configuration without --preset and --config, and what to tell a person about it.

    Attributes:
        config: the choice with the overrides.
        values: what was chosen, by key with dots; to be kept.
        chosen: the same, in a line.
        seen: what was seen of the images, and of their sources, a line each.
        remarks: what else to know, a line each.
        trained_images: how many images it was chosen for, without those that are held out.
        held_out_images: about how many of them will be held out.
        keep: whether later runs may have it too: whether the images suffice.
        files: number of image files, also of those that cannot be read.
        warnings: those of the remarks that a verdict should repeat.
    """

    config: PipelineConfig
    values: Mapping[str, Any]
    chosen: str
    seen: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    trained_images: int = 0
    held_out_images: int = 0
    keep: bool = False
    files: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it for a person: what was seen, what was chosen, and the remarks."""
        return (*self.seen, self.chosen, *self.remarks)


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
        chosen = "no --preset, --config or --data: the defaults apply"
        return Choice(load(overrides=overrides), {}, chosen)
    pictures, sources = _look(data), _look_at_sources(data)
    kept = {FOLDER: data.folder, PATTERN: data.pattern}
    machine = machine or this_machine()
    is_set = data.model_fields_set
    values = {**kept, **_choose(pictures, sources, data, machine)}
    values |= choose_class_balance(values[CONDITIONAL])
    counted = Kept(values, pictures.usable, pictures.files)
    config, used = load_choice(counted, overrides, data, machine)
    held_out = pictures.usable * config.data.eval_percent // 100
    trained = pictures.usable - held_out
    rejected = warn_of_unusable(pictures, config.data)
    too_few = warn_of_too_few(trained, held_out, config.validation)
    no_verdict = [] if too_few else warn_of_no_verdict(trained, held_out, config)
    no_classes = warn_of_no_classes(pictures, config)
    # Of images that a run rejects, or cannot judge by, others will come, which it may not suit.
    enough = min(trained, held_out) >= config.evaluate.min_samples
    keep = enough and not (rejected or too_few or no_classes)
    chosen = f"chosen for them: {describe_choice(used, config, overrides)}"
    seen = (
        f"{printable(data.folder)}: {printable(pictures.describe())}",
        *([f"{printable(data.source)}: {printable(sources.describe())}"] if sources else []),
    )
    remarks = (
        *say_what_folders_are(pictures, config),
        *no_classes,
        *say_which_are_rejected(pictures, config.data),
        *say_what_is_small(pictures, config.data, largest_resolution(machine)),
        *(say_what_fits_better(config, machine) if RESOLUTION[5:] in is_set else []),
        *warn_of_cut(pictures, config.data),
        *rejected,
        *too_few,
        *no_verdict,
        *([f"chosen for a CPU: {gpu.MISSING_LIBRARIES}"] if machine.idle_gpus else []),
    )
    return Choice(config, values, chosen, seen, remarks, trained, held_out, keep, pictures.files)


def configure_for_cluster(overrides: Sequence[str]) -> Choice:
    """As `configure`, but for a cluster: this machine, which only submits, decides nothing."""
    machine = cluster_machine(_read_section("kubeflow", KubeflowConfig, overrides))
    choice = configure(overrides, machine)
    if not choice.values:
        return choice
    gpus = quantity(machine.gpus, "GPU") if machine.gpus else "any CPU"
    line = f"for {gpus} on the cluster, not for this machine"
    return replace(choice, remarks=(*choice.remarks, line))


def configure_images(
    folder: str, overrides: Sequence[str], judged: Sequence[str] = (), training: str | None = None
) -> Choice:
    """Chooses how the images of folders are converted to be compared.

    Args:
        folder: of real images, which are described.
        overrides: as in `configure`.
        judged: folders of images that are compared with them.
        training: folder of training images; None if there is none.

    Raises:
        ConfigError, ImageDataError: as `configure`.
    """
    data = _read_data((*overrides, f"{FOLDER}={quote(folder)}"))
    pictures = _look(data)
    others = [*judged, *([training] if training else [])]
    beside = [_look(data.model_copy(update={"folder": each})) for each in others]
    values = choose_judged(pictures, beside)
    counted = Kept(values, pictures.usable, pictures.files)
    config, _ = load_choice(counted, overrides, data, this_machine())
    seen = f"{printable(data.folder)}: {printable(pictures.describe())}"
    cut = [
        f"{printable(name)}: {line}"
        for name, each in zip((folder, *others), (pictures, *beside), strict=True)
        for line in warn_of_cut(each, config.data)
    ]
    smaller = [
        f"{printable(name)}: {line}"
        for name, each in zip(others, beside, strict=True)
        if RESOLUTION[5:] not in data.model_fields_set
        for line in warn_of_less_detail(each, pictures, config.data, trained_on=name == training)
    ]
    chosen = f"{seen}: {describe_choice(values, config, overrides)}"
    return Choice(config, values, chosen, remarks=(*cut, *smaller), warnings=tuple(smaller))


def configure_run(
    overrides: Sequence[str],
    workspace: Workspace,
    report: Callable[[str], None],
    *,
    keep: bool = True,
    compare: bool = True,
) -> PipelineConfig:
    """The configuration of a run: the choice that the workspace keeps for the folder, or a new one.

    Args:
        overrides: as in `configure`.
        workspace: keeps a new choice.
        report: is called with each line for a person.
        keep: whether the workspace keeps a new choice.
        compare: whether to look whether a kept choice still suits the images, which takes seconds.

    Raises:
        ConfigError: an override or the kept choice is not valid, or the workspace lies in the data.
        ImageDataError: as in `configure`, and as in `check_images` before a choice is kept.
        WorkspaceError: the workspace is in use or cannot be written.
    """
    data = _read_data(overrides)
    require_folder(data, workspace.folder)
    file = workspace.chosen
    kept = read_kept(workspace, data)
    if kept is not None:
        config, used = load_choice(kept, overrides, data, this_machine())
        about = describe_choice(used, config, overrides)
        report(f"{printable(data.folder)}: as chosen earlier, {about}")
        report(f"kept in {file}; remove it to choose again")
        if kept.files is not None and _has_grown(data, kept.files):
            more = f"{quantity(kept.files, 'file')}, and there are {GROWN} times as many now"
            report(f"it was chosen for {more}: remove it to choose other steps")
        earlier = {CONDITIONAL, CLASS_BALANCE} - kept.values.keys()
        if earlier or _differs_from_a_new_choice(config, overrides):
            report("it was chosen for another machine, or by an earlier version")
        elif compare:
            for line in _no_longer_suits(kept, data, overrides):
                report(line)
        return config
    choice = configure(overrides)
    keep = keep and choice.keep
    if keep:
        check_images(choice.config.data)
        workspace.check_free()  # or a run that is refused would replace the choice of another
        usable = choice.trained_images + choice.held_out_images
        keep_choice(Kept(choice.values, usable, choice.files), workspace)
    for line in choice.lines:
        report(line)
    if keep:
        settings = [f"--set={each}" for each in overrides if not each.startswith(f"{FOLDER}=")]
        arguments = printable(shlex.join([data.folder, *settings]))
        report(f"kept in {file} for later runs; to edit: iadb init {arguments} -o mine.yaml")
    return choice.config


def _has_grown(data: DataConfig, files: int) -> bool:
    """Whether so many more files are in a local folder that the training would be another one."""
    if files >= LARGE or data.pattern or is_remote(data.folder):
        return False
    with suppress(ImageDataError):  # which the run itself will report
        return count_images(data.folder, GROWN * files) == GROWN * files
    return False


def _no_longer_suits(kept: Kept, data: DataConfig, overrides: Sequence[str]) -> list[str]:
    """Says how the images of a local folder would be read now, if that is otherwise."""
    if is_remote(data.folder) or (data.source and is_remote(data.source)):
        return []
    try:
        pictures, sources = _look(data), _look_at_sources(data)
    except ImageDataError:  # which the run itself will report
        return []
    chosen = _choose(pictures, sources, data, this_machine())
    is_set = dict(flatten(read_values(None, None, overrides)))
    other = [
        f"{key}={json.dumps(chosen[key])}"
        for key in OF_IMAGES
        if key in kept.values and key not in is_set and kept.values[key] != chosen[key]
    ]
    if not other:
        return []
    seen = printable(pictures.describe())
    return [f"now: {seen}, for which {', '.join(other)} would be chosen: remove it to choose again"]


def _differs_from_a_new_choice(config: PipelineConfig, overrides: Sequence[str]) -> bool:
    here = choose_network(config.data.resolution, this_machine())
    kept = {
        "model.channels": list(config.model.channels),
        "model.blocks": config.model.blocks,
        "model.time_embedding": config.model.time_embedding,
        "model.patch": config.model.patch,
        "train.precision": config.train.precision,
    }
    is_set = dict(flatten(read_values(None, None, overrides)))
    return any(value != here[key] for key, value in kept.items() if key not in is_set)


def _choose(
    pictures: Pictures, sources: Pictures | None, data: DataConfig, machine: Machine
) -> dict[str, Any]:
    """What is chosen for images, with classes only where they would do no harm."""
    values = choose(pictures.beside(sources) if sources else pictures, machine, data)
    values[CONDITIONAL] &= may_have_classes(data)
    return values


def _look_at_sources(data: DataConfig) -> Pictures | None:
    """What was seen of the sources, which are converted as the images are; None without any."""
    if not data.source:
        return None
    spans = {"pattern": "", "span": None, "exclude": ()} if data.unpaired_source else {}
    return _look(data.model_copy(update={"folder": data.source, "source": None, **spans}))


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
