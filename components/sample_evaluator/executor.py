"""Runs the evaluation on Beam, judges its results, writes the report and the blessing."""

import json
from typing import Any, NamedTuple

import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from absl import logging
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.real_features.artifact import REAL_PNG, ReadFeatures
from components.sample_evaluator import analysis, gate, history, images, report, sources, summary
from components.sample_evaluator.eval_config import make_eval_config
from components.sample_evaluator.features import check_available
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.sampler import SamplerError, check_sampler
from trainer import examples

_SPLITS = {sources.TRAIN: examples.TRAIN, sources.REAL: examples.EVAL}

REPORT_HTML = "report.html"
REASON_PROPERTY = "reason"


class Executor(base_beam_executor.BaseBeamExecutor):
    """Executor of SampleEvaluator."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Evaluates `model`; a model that cannot be sampled is not blessed, and is no error.

        Raises:
            FeatureError: the weights of the feature space are missing or not those that are pinned.
        """
        options = EvaluateOptions.model_validate_json(exec_properties["options"])
        check_available(options.features)
        features = artifact_utils.get_single_uri(input_dict["features"])
        transform_graph = artifact_utils.get_single_uri(input_dict["transform_graph"])
        evaluation = artifact_utils.get_single_uri(output_dict["evaluation"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline") or []), None)

        shape = _image_shape(transform_graph)
        candidate = _check(model, shape)
        found = _check(baseline, shape) if baseline else None
        if found and found.problem:
            logging.warning("The baseline is not compared: %s", found.problem)
        samplers = {
            source: _sampler_path(artifact)
            for source, artifact, checked in (
                (sources.CANDIDATE, model, candidate),
                (sources.BASELINE, baseline, found),
            )
            if checked and not checked.problem
        }
        config = make_eval_config(
            options, baseline=sources.BASELINE in samplers, by_label=candidate.conditional
        )
        with self._make_beam_pipeline() as pipeline:
            real = {}
            for source, split in _SPLITS.items():
                uris = artifact_utils.get_split_uris(input_dict["examples"], split)
                real[source] = analysis.RealImages(
                    pipeline | f"Features[{source}]" >> ReadFeatures(features, split),
                    pipeline | f"Examples[{source}]" >> images.ReadExamples(uris),
                )
            _ = real | analysis.EvaluateSamples(
                options, config, transform_graph, shape, samplers, evaluation
            )
        values = analysis.load_values(evaluation)
        validation = tfma.load_validation_result(evaluation)
        verdict = gate.judge(values, validation, options, candidate.problem)
        content = summary.summarize(
            summary.Setting(
                options,
                candidate.nb_step,
                model.uri,
                baseline.uri if baseline else None,
                _baseline_status(found),
            ),
            values,
            analysis.load_values_by_label(evaluation, sources.CANDIDATE),
            verdict,
            json.loads(_read_if_there(f"{evaluation}/{analysis.ERROR_BY_ALPHA_JSON}") or "null"),
            history.earlier_metrics(
                input_dict.get("history") or [],
                options.features.name,
                int(values[sources.REAL].get("images", 0)),
            ),
        )
        _write_evaluation(evaluation, content, features)
        artifact_utils.get_single_instance(output_dict["evaluation"]).set_int_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id
        )
        _write_blessing(
            artifact_utils.get_single_instance(output_dict["blessing"]), verdict, model, baseline
        )


class _Checked(NamedTuple):
    problem: str | None  # why the model cannot be sampled, if it cannot
    nb_step: int | None = None
    conditional: bool = False


def _check(model: types.Artifact, shape: tuple[int, int, int]) -> _Checked:
    try:
        sampler = check_sampler(_sampler_path(model), shape)
    except SamplerError as error:
        return _Checked(str(error))
    return _Checked(None, sampler.nb_step, bool(sampler.labels))


def _baseline_status(found: _Checked | None) -> str:
    if found is None:
        return "there is none yet"
    return f"not compared: {found.problem}" if found.problem else "compared"


def _image_shape(transform_graph: str) -> tuple[int, int, int]:
    spec = tft.TFTransformOutput(transform_graph).transformed_feature_spec()
    height, width, channels = spec[examples.IMAGE].shape
    return height, width, channels


def _sampler_path(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))


def _write_evaluation(folder: str, content: dict[str, Any], features: str) -> None:
    # TFX publishes the folder when the executor has returned: nobody sees it half written.
    text = json.dumps(content, indent=2, allow_nan=False)
    io_utils.write_string_file(f"{folder}/{history.METRICS_JSON}", text + "\n")
    pictures = report.Pictures(
        samples=_read_if_there(f"{folder}/{analysis.SAMPLES_PNG}"),
        real=_read_if_there(f"{features}/{REAL_PNG}"),
        nearest_pairs=_read_if_there(f"{folder}/{analysis.NEAREST_PAIRS_PNG}"),
        trajectories=_read_if_there(f"{folder}/{analysis.TRAJECTORIES_PNG}"),
    )
    page = report.render(content, pictures)
    io_utils.write_string_file(f"{folder}/{REPORT_HTML}", page)


def _read_if_there(path: str) -> bytes | None:
    if not fileio.exists(path):
        return None
    with fileio.open(path, "rb") as file:
        return file.read()


def _write_blessing(
    blessing: types.Artifact,
    verdict: gate.Verdict,
    model: types.Artifact,
    baseline: types.Artifact | None,
) -> None:
    blessing.set_string_custom_property(
        constants.ARTIFACT_PROPERTY_CURRENT_MODEL_URI_KEY, model.uri
    )
    blessing.set_int_custom_property(constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id)
    if baseline is not None:
        blessing.set_string_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_URI_KEY, baseline.uri
        )
        blessing.set_int_custom_property(
            constants.ARTIFACT_PROPERTY_BASELINE_MODEL_ID_KEY, baseline.id
        )
    blessing.set_int_custom_property(
        constants.ARTIFACT_PROPERTY_BLESSED_KEY,
        constants.BLESSED_VALUE if verdict.blessed else constants.NOT_BLESSED_VALUE,
    )
    blessing.set_string_custom_property(REASON_PROPERTY, "; ".join(verdict.reasons))
    name = constants.BLESSED_FILE_NAME if verdict.blessed else constants.NOT_BLESSED_FILE_NAME
    io_utils.write_string_file(f"{blessing.uri}/{name}", "")
    logging.info("%s: %s", name, "; ".join(verdict.reasons))
