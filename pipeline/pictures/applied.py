"""A choice below the overrides of a command line, with what follows from these."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.pipeline_config import PipelineConfig, load
from pipeline.config.sections import DataConfig
from pipeline.config.values import read_values
from pipeline.pictures.choose import (
    TRAINING_KEYS,
    choose_autoguidance,
    choose_class_balance,
    choose_network,
    choose_training,
)
from pipeline.pictures.kept_choice import (
    AUTOGUIDANCE,
    CLASS_BALANCE,
    CONDITIONAL,
    EVAL_PERCENT,
    FOLDER,
    INTERVAL,
    PATTERN,
    RESOLUTION,
    Kept,
    as_overrides,
    flatten,
    load_alone,
)
from pipeline.pictures.machine import Machine
from trainer.common.resolution import to_sides


def _for_resolution(kept: Kept, data: DataConfig, machine: Machine) -> dict[str, Any]:
    """The choice as it would be for the resolution that an override sets."""
    is_set = RESOLUTION[5:] in data.model_fields_set
    if not is_set or data.resolution == to_sides(kept.values[RESOLUTION]):
        return kept.values
    values = kept.values | choose_network(data.resolution, machine)
    if kept.usable is None or EVAL_PERCENT not in values:
        return values
    percent = values[EVAL_PERCENT]
    if EVAL_PERCENT[5:] in data.model_fields_set:
        percent = data.eval_percent
    trained = kept.usable * (100 - percent) // 100
    rest = {key: value for key, value in values.items() if key not in TRAINING_KEYS}
    return rest | choose_training(trained, data.resolution, machine)


def load_choice(
    kept: Kept, overrides: Sequence[str], data: DataConfig, machine: Machine
) -> tuple[PipelineConfig, Mapping[str, Any]]:
    """The choice below the overrides, with what follows from the resolution and steps of these.

    Returns:
        The configuration, and the values of the choice for the resolution.
    """
    values = _for_resolution(kept, data, machine)
    following = {}
    if not may_have_classes(data):
        following[CONDITIONAL] = False
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
    if AUTOGUIDANCE in values and autoguidance != autoguidance_for(load_alone(kept.values)):
        following |= autoguidance
    return load(overrides=[*as_overrides({**values, **following}), *overrides]), values


def may_have_classes(data: DataConfig) -> bool:
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
    plain = config.source is None and config.sample.guidance == 1.0
    return choose_autoguidance(config.model.prediction, config.train.steps, plain)


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
