"""The configuration of a run that names none: chosen for its pictures, and what follows from it."""

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import ValidationError

from components.image_example_gen.spans import Listings
from pipeline.choosing.choose import (
    CONDITIONAL,
    choose,
    choose_augmentation,
    choose_autoguidance,
    choose_class_balance,
    choose_judged,
    largest_resolution,
    may_have_classes,
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
    warn_of_cut,
    warn_of_less_detail,
    warn_of_no_classes,
    warn_of_no_verdict,
    warn_of_too_few,
    warn_of_unusable,
)
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.config.sections import DataConfig, find_sources, require_folder
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

OptionsT = TypeVar("OptionsT", bound=Options)


@dataclass(frozen=True)
class Choice:
    """A configuration without --preset and --config, and what to tell a person about it.

    Attributes:
        config: the choice with the overrides.
        values: what was chosen, by key with dots.
        chosen: what holds for these keys, in a line.
        seen: what was seen of the images, and of their sources, a line each.
        remarks: what else to know, a line each.
        trained_images: how many images it was chosen for, without those that are held out.
        kept: the values that later runs may have too, whatever they set; None if a run could not
            read these images and judge by them.
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
    overrides: Sequence[str],
    workspace: Workspace | None = None,
    listings: Listings | None = None,
    *,
    cluster: bool = False,
) -> Choice:
    """The configuration that suits the folder of images that overrides name.

    Without a folder, nothing is chosen, and the defaults hold.

    Args:
        overrides: `key=value`, on top of the choice; the network follows a data.resolution in them.
        workspace: has the choice for the folder if an earlier run has kept it, and keeps a new one;
            None to choose anew.
        listings: get what is listed.
        cluster: whether a cluster trains; then this machine, which only submits, decides nothing.

    Raises:
        ConfigError: an override or the kept choice is not valid, or the workspace lies in the data.
        ImageDataError: a folder is missing or unreadable, or has no images that can be read.
        WorkspaceError: the workspace is in use or cannot be written.
    """
    listings = listings or Listings()
    if workspace is not None:
        return _configure_run(overrides, workspace, listings)
    machine = this_machine()
    if cluster:
        machine = cluster_machine(_read_section("kubeflow", KubeflowConfig, overrides))
    choice = _choose(overrides, machine, listings)
    if not cluster or not choice.seen:
        return choice
    gpus = quantity(machine.gpus, "GPU") if machine.gpus else "any CPU"
    return replace(
        choice, remarks=(*choice.remarks, f"for {gpus} on the cluster, not for this machine")
    )


def _choose(overrides: Sequence[str], machine: Machine, listings: Listings) -> Choice:
    """Looks at the folder of images, and chooses."""
    data = _read_section("data", DataConfig, overrides)
    if data.folder is None:
        chosen = "no --preset, --config or --data: the defaults apply"
        return Choice(load(overrides=overrides), {}, chosen)
    pictures, sources = _look(data, listings), None
    if data.source:
        spans = {"pattern": "", "span": None, "exclude": ()} if data.unpaired_source else {}
        of_sources = {"folder": data.source, "source": None, "pairing": "name", **spans}
        sources = _look(data.model_copy(update=of_sources), listings)
    both = pictures.beside(sources) if sources else pictures
    values, kept = (
        {FOLDER: data.folder, PATTERN: data.pattern, **choose(both, machine, each)}
        for each in (data, _without_choices(data))
    )
    config = _apply(values, overrides)
    held_out = pictures.usable * config.data.eval_percent // 100
    trained = pictures.usable - held_out
    stops = [
        *warn_of_no_classes(pictures, config),
        *warn_of_unusable(pictures, config.data),
        *warn_of_too_few(trained, held_out, config),
    ]
    seen = [(data.folder, pictures), *([(data.source, sources)] if sources else [])]
    return Choice(
        config,
        values,
        f"chosen for them: {describe_choice(values, config, overrides)}",
        tuple(f"{printable(folder)}: {printable(each.describe())}" for folder, each in seen),
        (
            *say_what_folders_are(pictures, config),
            *say_what_is_small(pictures, config.data, largest_resolution(machine)),
            *warn_of_cut(pictures, config.data),
            *(stops or warn_of_no_verdict(trained, held_out, config)),
            *([f"chosen for a CPU: {MISSING_LIBRARIES}"] if machine.idle_gpus else []),
        ),
        trained,
        # Others will come, which a choice for too few, or for what is rejected, may not suit.
        kept if not stops and min(trained, held_out) >= config.evaluate.min_samples else None,
    )


def _configure_run(overrides: Sequence[str], workspace: Workspace, listings: Listings) -> Choice:
    """The choice that the workspace keeps for the folder, or a new one, which it then keeps."""
    data = _read_section("data", DataConfig, overrides)
    require_folder(data, workspace.folder)
    kept = read_kept(workspace, data)
    if kept is not None:
        is_set = "resolution" in data.model_fields_set
        if not is_set or data.resolution == to_sides(kept[RESOLUTION]):
            config = _apply(kept, overrides)
            about = describe_choice(kept, config, overrides)
            chosen = f"{printable(data.folder)}: as chosen earlier, {about}"
            remark = f"kept in {workspace.chosen}; remove it to choose again"
            return Choice(config, kept, chosen, remarks=(remark,))
        # Another resolution has another network and training, but the same images are held out.
        held_out = as_overrides({EVAL_PERCENT: kept[EVAL_PERCENT]})
        return _choose([*held_out, *overrides], this_machine(), listings)
    choice = _choose(overrides, this_machine(), listings)
    if choice.kept is None:
        return choice
    for source in find_sources(choice.config.data):
        listings.of(source)  # or what the run will refuse would be kept
    workspace.check_free()  # or a run that is refused would replace the choice of another
    keep_choice(choice.kept, workspace)
    settings = [f"--set={each}" for each in overrides if not each.startswith(f"{FOLDER}=")]
    arguments = printable(shlex.join([data.folder, *settings]))
    kept_in = (
        f"kept in {workspace.chosen} for later runs; to edit: iadb init {arguments} -o mine.yaml"
    )
    return replace(choice, remarks=(*choice.remarks, kept_in))


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
    data = _read_section("data", DataConfig, (*overrides, f"{FOLDER}={quote(folder)}"))
    others = [*judged, *([training] if training else [])]
    real, *beside = (
        _look(data.model_copy(update={"folder": each}), Listings()) for each in (folder, *others)
    )
    values = choose_judged(real, beside)
    config = _apply(values, overrides)
    named = list(zip((folder, *others), (real, *beside), strict=True))
    cut = [
        f"{printable(name)}: {line}"
        for name, each in named
        for line in warn_of_cut(each, config.data)
    ]
    smaller = [
        f"{printable(name)}: {line}"
        for name, each in named[1:]
        if "resolution" not in data.model_fields_set
        for line in warn_of_less_detail(each, real, config.data, trained_on=name == training)
    ]
    seen = f"{printable(folder)}: {printable(real.describe())}"
    chosen = f"{seen}: {describe_choice(values, config, overrides)}"
    return Choice(config, values, chosen, remarks=(*cut, *smaller), warnings=tuple(smaller))


def describe_choice(
    values: Mapping[str, Any], config: PipelineConfig, overrides: Sequence[str]
) -> str:
    """What holds for the keys of a choice; those that overrides set are named as set."""
    resolved, given = dict(flatten(config.model_dump(mode="json"))), _given(overrides)
    keys = [key for key in values if key not in (FOLDER, PATTERN)]
    texts = {key: f"{key}={json.dumps(resolved[key], separators=(',', ':'))}" for key in keys}
    chosen = ", ".join(text for key, text in texts.items() if key not in given)
    is_set = ", ".join(text for key, text in texts.items() if key in given)
    return "; set: ".join(filter(None, [chosen or "nothing", is_set]))


def _without_choices(data: DataConfig) -> DataConfig:
    """The section without what an override sets in place of a choice."""
    given = data.model_dump(exclude_unset=True, exclude={"resolution", "eval_percent"})
    return DataConfig.model_validate(given)


def _apply(values: Mapping[str, Any], overrides: Sequence[str]) -> PipelineConfig:
    """A choice below overrides, with what follows from these."""
    following: dict[str, Any] = {}
    if not may_have_classes(_read_section("data", DataConfig, overrides)):
        following[CONDITIONAL] = False
    # Not as ModelOptions: channels may be valid only together with the attention that was chosen.
    if _given(overrides).get("model.source") == "map":
        following["model.prediction"] = "difference"  # the other one is from noise alone
    config = _load({**values, **following}, overrides)
    before, after = _following(_load(values)), _following(config)
    if "sample.autoguidance" in _given(overrides):  # it is used on the whole way
        after["sample.autoguidance_interval"] = [0.0, 1.0]
    following |= {key: value for key, value in after.items() if value != before[key]}
    return _load({**values, **following}, overrides)


def _following(config: PipelineConfig) -> dict[str, Any]:
    """What is chosen for the rest of a configuration."""
    plain = config.source is None and config.sample.guidance == 1.0
    return {
        **choose_autoguidance(config.model.prediction, config.train.steps, plain),
        **choose_class_balance(config.model.conditional),
    }


def _load(values: Mapping[str, Any], overrides: Iterable[str] = ()) -> PipelineConfig:
    return load(overrides=[*as_overrides(values), *overrides])


def _given(overrides: Sequence[str]) -> dict[str, Any]:
    return dict(flatten(read_values(None, None, overrides)))


def _look(data: DataConfig, listings: Listings) -> Pictures:
    console = make_console()
    # Lines of progress would stand in a configuration that is written to standard output.
    shown = showing(console, "looking at images") if console.is_terminal else nullcontext()
    with shown:
        return look(data, listings)


def _read_section(name: str, kind: type[OptionsT], overrides: Sequence[str]) -> OptionsT:
    """A section by itself: others may be valid only together with a choice."""
    try:
        return kind.model_validate(read_values(None, None, overrides).get(name, {}))
    except ValidationError:
        load(overrides=overrides)  # raises the same as a ConfigError
        raise
