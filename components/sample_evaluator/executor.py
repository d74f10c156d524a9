"""The TFX executor of SampleEvaluator: artifacts in, an evaluation and a blessing out."""

import json
from collections.abc import Sequence
from typing import Any

import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.image_trainer import names as trainer_names
from components.parameters import complete
from components.real_features.artifact import split_folders
from components.sample_evaluator import names, sources
from components.sample_evaluator.evaluate import evaluate
from components.sample_evaluator.evaluation import EvaluatedModel, Evaluation, RealImages
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.verdict import gate
from trainer.common.remote_path import to_path
from trainer.common.text import list_some
from trainer.serving import model_metadata
from trainer.serving.model_metadata import MetadataError


class Executor(base_executor.BaseExecutor):
    """Executor of SampleEvaluator."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates `model`. A model that cannot be sampled is not blessed; this is not an error.

        Raises:
            FeatureError: the weights of the feature space are missing or not the pinned ones.
            ParameterError: `samples` is out of range.
        """
        evaluation = artifact_utils.get_single_instance(output_dict[names.EVALUATION])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline") or []), None)
        # TFX publishes the folder after the executor has returned, when it is complete.
        verdict = evaluate(
            Evaluation(
                real=RealImages(
                    split_folders(artifact_utils.get_single_instance(input_dict["examples"])),
                    artifact_utils.get_single_uri(input_dict["features"]),
                    artifact_utils.get_single_uri(input_dict["transform_graph"]),
                ),
                candidate=_model(model),
                baseline=_model(baseline) if baseline else None,
                earlier=input_dict.get("history") or [],
                options=complete(
                    EvaluateOptions,
                    json.loads(exec_properties[names.OPTIONS]),
                    samples=exec_properties["samples"],
                ),
                output=evaluation.uri,
                folders={"examples": input_dict["examples"][0].uri},
                by_teacher=model.has_custom_property(trainer_names.TEACHER),
                remarks=_other_split(_model(model), _model(baseline)) if baseline else (),
            )
        )
        evaluation.set_int_custom_property(names.MODEL_ID, model.id)
        _record_metrics(evaluation)
        _write_blessing(
            artifact_utils.get_single_instance(output_dict[names.BLESSING]),
            verdict,
            model,
            baseline,
        )


def _model(artifact: types.Artifact) -> EvaluatedModel:
    is_old = path_utils.is_old_model_artifact(artifact)
    return EvaluatedModel(artifact.uri, path_utils.serving_model_path(artifact.uri, is_old))


def _other_split(model: EvaluatedModel, baseline: EvaluatedModel) -> Sequence[str]:
    """Says that the baseline has trained on images that it is compared on, if it may have."""
    splits = [_recorded(each, "split") for each in (model, baseline)]
    conversions = [
        {f"data.{key}": value for key, value in _recorded(each, "conversion").items()}
        for each in (model, baseline)
    ]
    if not splits[1]:
        return ()
    ours, before = (
        split | conversion for split, conversion in zip(splits, conversions, strict=True)
    )
    other = sorted(key for key in ours.keys() | before.keys() if ours.get(key) != before.get(key))
    if not other:
        return ()
    return (
        f"the baseline was trained with another {list_some(other)}: it may have seen images that "
        "are held out now, so that it seems better than it is",
    )


def _recorded(model: EvaluatedModel, key: str) -> dict[str, Any]:
    """A dictionary in the metadata of a model; empty without one, or if they are damaged."""
    try:
        found = model_metadata.read(to_path(model.sampler)).recorded.get(key)
        return found if isinstance(found, dict) else {}
    except (OSError, tf.errors.OpError, MetadataError):  # the model will say so
        return {}


def _record_metrics(evaluation: types.Artifact) -> None:
    """Records the metrics in ML Metadata, so that readers need no files."""
    with fileio.open(f"{evaluation.uri}/{names.METRICS_JSON}") as file:
        metrics = json.load(file)["metrics"]
    for name, values in metrics.items():
        if values[sources.CANDIDATE] is not None:
            evaluation.set_float_custom_property(name, values[sources.CANDIDATE])


def _write_blessing(
    blessing: types.Artifact,
    verdict: gate.ModelVerdict,
    model: types.Artifact,
    baseline: types.Artifact | None,
) -> None:
    blessing.set_string_custom_property(names.MODEL_URI, model.uri)
    blessing.set_int_custom_property(names.MODEL_ID, model.id)
    if baseline is not None:
        blessing.set_string_custom_property(names.BASELINE_URI, baseline.uri)
        blessing.set_int_custom_property(names.BASELINE_ID, baseline.id)
    blessing.set_int_custom_property(names.BLESSED, int(verdict.blessed))
    blessing.set_string_custom_property(names.REASON, "; ".join(verdict.reasons))
    name = names.BLESSED_FILE if verdict.blessed else names.NOT_BLESSED_FILE
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
    logging.info("%s: %s", name, "; ".join(verdict.reasons))
