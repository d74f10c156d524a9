"""The configuration of a run that names none: chosen for its pictures, and what follows from it."""

import json
import shlex
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, TypeVar

from pydantic import ValidationError

from pipeline.choosing.check import check_images, warn_of_no_verdict, warn_of_too_few
from pipeline.choosing.choose import (
    TRAINING_KEYS,
    choose,
    choose_augmentation,
    choose_autoguidance,
    choose_class_balance,
    choose_judged,
    choose_network,
    choose_training,
    largest_resolution,
)
from pipeline.choosing.kept_choice import (
    EVAL_PERCENT,
    FOLDER,
    PATTERN,
    RESOLUTION,
    as_overrides,
    keep_choice,
    read_kept,
)
from pipeline.choosing.look import look
from pipeline.choosing.machine import Machine, cluster_machine, this_machine
from pipeline.choosing.remarks import (
    say_what_folders_are,
    say_what_is_small,
    say_which_are_rejected,
    warn_of_cut,
    warn_of_less_detail,
    warn_of_no_classes,
    warn_of_unusable,
)
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.config.sections import DataConfig, require_folder
from pipeline.config.values import flatten, read_values
from pipeline.config.yaml_text import quote
from pipeline.console.progress import showing
from pipeline.console.tables import make_console
from pipeline.runners.kubeflow.config import KubeflowConfig
from pipeline.workspace import Workspace
from trainer.common.options import Options
from trainer.common.resolution import to_sides
from trainer.common.text import printable, quantity
from trainer.light.gpus import MISSING_LIBRARIES

CONDITIONAL = "model.conditional"

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Choice:
    """A configuration without --preset and --config, and what to tell a person about it.

    Attributes:
        config: the choice with the overrides.
        values: what was chosen, by key with dots, for a resolution that an override sets; for
            later runs, which may set none, it is `kept`.
        chosen: what holds for these keys, in a line.
        seen: what was seen of the images, and of their sources, a line each.
        remarks: what else to know, a line each.
        trained_images: how many images it was chosen for, without those that are held out.
        kept: the values that later runs may have too; None if the images do not suffice.
        warnings: those of the remarks that a verdict should repeat.
    """

    config: PipelineConfig
    values: Mapping[str, Any]
    chosen: str
    seen: tuple[str, ...] = ()
    remarks: tuple[str, ...] = ()
    trained_images: int = 0
    kept: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()

    @property
    def lines(self) -> tuple[str, ...]:
        """All of it for a person: what was seen, what was chosen, and the remarks."""
        return (*self.seen, self.chosen, *self.remarks)

    def with_steps(self, steps: int, overrides: Sequence[str]) -> PipelineConfig:
        """The configuration of a training of so many steps, and of what is chosen by them."""
        chosen = {
            "train.steps": steps,
            **choose_augmentation(self.trained_images, steps, self.config.train.batch_size),
            **choose_autoguidance(self.values["model.prediction"], steps),
        }
        return _apply({**self.values, **chosen}, overrides)


def configure(
    overrides: Sequence[str], machine: Machine | None = None, *, cluster: bool = False
) -> Choice:
    """Looks at the folder of images that overrides name, and chooses the configuration for it.

    Without a folder, nothing is chosen, and the defaults hold.

    Args:
        overrides: `key=value`, on top of the choice; the network follows a data.resolution in them.
        machine: that will train; None for this one.
        cluster: whether a cluster will; then this machine, which only submits, decides nothing.

    Raises:
        ConfigError: an override is not valid.
        ImageDataError: the folder is missing or unreadable, or has no images that can be read.
    """
    if cluster:
        machine = cluster_machine(_read_section("kubeflow", KubeflowConfig, overrides))
    data = _read_data(overrides)
    if data.folder is None:
        chosen = "no --preset, --config or --data: the defaults apply"
        return Choice(load(overrides=overrides), {}, chosen)
    pictures, sources = _look(data), _look_at_sources(data)
    machine = machine or this_machine()
    kept = {
        FOLDER: data.folder,
        PATTERN: data.pattern,
        **choose(pictures.beside(sources) if sources else pictures, machine, data),
    }
    kept[CONDITIONAL] &= _may_have_classes(data)
    kept |= choose_class_balance(kept[CONDITIONAL])
    values = _for_resolution(kept, pictures.usable, data, machine)
    config = _apply(values, overrides)
    held_out = pictures.usable * config.data.eval_percent // 100
    trained = pictures.usable - held_out
    rejected = warn_of_unusable(pictures, config.data)
    too_few = warn_of_too_few(trained, held_out, config.validation)
    no_classes = warn_of_no_classes(pictures, config)
    # Of images that a run rejects, or cannot judge by, others will come, which it may not suit.
    enough = min(trained, held_out) >= config.evaluate.min_samples
    seen = (
        f"{printable(data.folder)}: {printable(pictures.describe())}",
        *([f"{printable(data.source)}: {printable(sources.describe())}"] if sources else []),
    )
    gpus = quantity(machine.gpus, "GPU") if machine.gpus else "any CPU"
    remarks = (
        *say_what_folders_are(pictures, config),
        *no_classes,
        *say_which_are_rejected(pictures, config.data),
        *say_what_is_small(pictures, config.data, largest_resolution(machine)),
        *warn_of_cut(pictures, config.data),
        *rejected,
        *(too_few or warn_of_no_verdict(trained, held_out, config)),
        *([f"chosen for a CPU: {MISSING_LIBRARIES}"] if machine.idle_gpus else []),
        *([f"for {gpus} on the cluster, not for this machine"] if cluster else []),
    )
    return Choice(
        config,
        values,
        f"chosen for them: {describe_choice(values, config, overrides)}",
        seen,
        remarks,
        trained,
        kept if enough and not (rejected or too_few or no_classes) else None,
    )


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
    config = _apply(values, overrides)
    seen = f"{printable(data.folder)}: {printable(pictures.describe())}"
    cut = [
        f"{printable(name)}: {line}"
        for name, each in zip((folder, *others), (pictures, *beside), strict=True)
        for line in warn_of_cut(each, config.data)
    ]
    smaller = [
        f"{printable(name)}: {line}"
        for name, each in zip(others, beside, strict=True)
        if "resolution" not in data.model_fields_set
        for line in warn_of_less_detail(each, pictures, config.data, trained_on=name == training)
    ]
    chosen = f"{seen}: {describe_choice(values, config, overrides)}"
    return Choice(config, values, chosen, remarks=(*cut, *smaller), warnings=tuple(smaller))


def configure_run(
    overrides: Sequence[str], workspace: Workspace, report: Callable[[str], None]
) -> PipelineConfig:
    """The configuration of a run: the choice that the workspace keeps for the folder, or a new one.

    Args:
        overrides: as in `configure`.
        workspace: keeps a new choice.
        report: is called with each line for a person.

    Raises:
        ConfigError: an override or the kept choice is not valid, or the workspace lies in the data.
        ImageDataError: as in `configure`, and as in `check_images` before a choice is kept.
        WorkspaceError: the workspace is in use or cannot be written.
    """
    data = _read_data(overrides)
    require_folder(data, workspace.folder)
    file = workspace.chosen
    kept = read_kept(workspace, data)
    if kept is not None and _has_resolution(kept, data):
        config = _apply(kept, overrides)
        about = describe_choice(kept, config, overrides)
        report(f"{printable(data.folder)}: as chosen earlier, {about}")
        report(f"kept in {file}; remove it to choose again")
        return config
    # Another resolution has another network and training, but the same images are held out.
    held_out = as_overrides({EVAL_PERCENT: kept[EVAL_PERCENT]}) if kept else ()
    choice = configure([*held_out, *overrides])
    keep = choice.kept is not None and kept is None
    if keep:
        check_images(choice.config.data)
        workspace.check_free()  # or a run that is refused would replace the choice of another
        keep_choice(choice.kept, workspace)
    for line in choice.lines:
        report(line)
    if keep:
        settings = [f"--set={each}" for each in overrides if not each.startswith(f"{FOLDER}=")]
        arguments = printable(shlex.join([data.folder, *settings]))
        report(f"kept in {file} for later runs; to edit: iadb init {arguments} -o mine.yaml")
    return choice.config


def describe_choice(
    values: Mapping[str, Any], config: PipelineConfig, overrides: Sequence[str]
) -> str:
    """What holds for the keys of a choice; those that overrides set are named as set."""
    resolved = dict(flatten(config.model_dump(mode="json")))
    given = dict(flatten(read_values(None, None, overrides)))
    keys = [key for key in values if key not in (FOLDER, PATTERN)]
    texts = {key: f"{key}={json.dumps(resolved[key], separators=(',', ':'))}" for key in keys}
    chosen = ", ".join(text for key, text in texts.items() if key not in given)
    is_set = ", ".join(text for key, text in texts.items() if key in given)
    return "; set: ".join(filter(None, [chosen or "nothing", is_set]))


def _has_resolution(values: Mapping[str, Any], data: DataConfig) -> bool:
    """Whether no override sets another resolution than the chosen one."""
    is_set = "resolution" in data.model_fields_set
    return not is_set or data.resolution == to_sides(values[RESOLUTION])


def _for_resolution(
    values: Mapping[str, Any], usable: int, data: DataConfig, machine: Machine
) -> Mapping[str, Any]:
    """The choice as it would be for the resolution that an override sets.

    `usable`: number of images, also of those that are held out.
    """
    if _has_resolution(values, data):
        return values
    is_set = "eval_percent" in data.model_fields_set
    percent = data.eval_percent if is_set else values[EVAL_PERCENT]
    trained = usable * (100 - percent) // 100
    network = choose_network(data.resolution, machine)
    training = choose_training(trained, data.resolution, machine)
    return {
        **{key: value for key, value in values.items() if key not in TRAINING_KEYS},
        **network,
        **training,
        **choose_autoguidance(network["model.prediction"], training["train.steps"]),
    }


def _apply(values: Mapping[str, Any], overrides: Sequence[str]) -> PipelineConfig:
    """A choice below overrides, with what follows from these."""
    following: dict[str, Any] = {}
    if not _may_have_classes(_read_data(overrides)):
        following[CONDITIONAL] = False
    # Not as ModelOptions: channels may be valid only together with the attention that was chosen.
    model = read_values(None, None, overrides).get("model")
    if isinstance(model, Mapping) and model.get("source") == "map":
        following["model.prediction"] = "difference"  # the other one is from noise alone
    config = _load({**values, **following}, overrides)
    before, after = _following(_load(values)), _following(config, overrides)
    following |= {key: value for key, value in after.items() if value != before[key]}
    return _load({**values, **following}, overrides)


def _following(config: PipelineConfig, overrides: Sequence[str] = ()) -> dict[str, Any]:
    """What is chosen for the rest of a configuration.

    A weight of autoguidance that an override sets is used on the whole way.
    """
    plain = config.source is None and config.sample.guidance == 1.0
    chosen = choose_autoguidance(config.model.prediction, config.train.steps, plain)
    if "autoguidance" in read_values(None, None, overrides).get("sample", {}):
        chosen["sample.autoguidance_interval"] = [0.0, 1.0]
    return chosen | choose_class_balance(config.model.conditional)


def _load(values: Mapping[str, Any], overrides: Iterable[str] = ()) -> PipelineConfig:
    return load(overrides=[*as_overrides(values), *overrides])


def _may_have_classes(data: DataConfig) -> bool:
    """Whether classes would do no harm.

    Sources say what to draw. Spans may have other classes, with which no warm start continues, and
    images of data.holdout none.
    """
    return not (data.source or data.degrade or data.pattern or data.holdout)


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
    with shown:
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
