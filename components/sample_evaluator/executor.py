"""Runs the evaluation on Beam, judges its results, writes the report and the blessing."""

import json
from typing import Any

import tensorflow_model_analysis as tfma
import tensorflow_transform as tft
from absl import logging
from tfx import types
from tfx.components.evaluator import constants
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils
from tfx.utils import io_utils, path_utils

from components.sample_evaluator import analysis, gate, report, sources
from components.sample_evaluator.history import METRICS_JSON, earlier_metrics
from components.sample_evaluator.options import EvaluateOptions
from components.sample_evaluator.sampler import SamplerError, check_sampler
from trainer import examples

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
        """Evaluates `model`; a model that cannot be sampled is not blessed, and is no error."""
        options = EvaluateOptions.model_validate_json(exec_properties["options"])
        transform_graph = artifact_utils.get_single_uri(input_dict["transform_graph"])
        evaluation = artifact_utils.get_single_uri(output_dict["evaluation"])
        model = artifact_utils.get_single_instance(input_dict["model"])
        baseline = next(iter(input_dict.get("baseline") or []), None)

        shape = _image_shape(transform_graph)
        samplers: dict[str, str] = {}
        nb_step, candidate_problem, baseline_status = None, None, "there is none yet"
        try:
            nb_step = check_sampler(_sampler_path(model), shape)
            samplers[sources.CANDIDATE] = _sampler_path(model)
        except SamplerError as error:
            candidate_problem = str(error)
        if baseline is not None:
            try:
                check_sampler(_sampler_path(baseline), shape)
                samplers[sources.BASELINE] = _sampler_path(baseline)
                baseline_status = "compared"
            except SamplerError as error:
                baseline_status = f"not compared: {error}"
                logging.warning("The baseline is %s", baseline_status)

        with self._make_beam_pipeline() as pipeline:
            _ = pipeline | analysis.EvaluateSamples(
                options,
                eval_files=_split_files(input_dict["examples"], examples.EVAL),
                train_files=_split_files(input_dict["examples"], examples.TRAIN),
                transform_graph=transform_graph,
                shape=shape,
                models=samplers,
                output=evaluation,
            )
        values = analysis.load_values(evaluation)
        validation = tfma.load_validation_result(evaluation)
        verdict = gate.judge(values, validation, options, candidate_problem)
        summary = report.summarize(
            values,
            verdict,
            options,
            nb_step,
            model.uri,
            {"uri": baseline.uri if baseline else None, "status": baseline_status},
            error_by_alpha=json.loads(
                _read_if_there(f"{evaluation}/{analysis.ERROR_BY_ALPHA_JSON}") or "null"
            ),
            history=earlier_metrics(
                input_dict.get("history") or [],
                options.features,
                int(values[sources.REAL].get("images", 0)),
            ),
        )
        _write_evaluation(evaluation, summary)
        artifact_utils.get_single_instance(output_dict["evaluation"]).set_int_custom_property(
            constants.ARTIFACT_PROPERTY_CURRENT_MODEL_ID_KEY, model.id
        )
        _write_blessing(
            artifact_utils.get_single_instance(output_dict["blessing"]), verdict, model, baseline
        )


def _image_shape(transform_graph: str) -> tuple[int, int, int]:
    spec = tft.TFTransformOutput(transform_graph).transformed_feature_spec()
    height, width, channels = spec[examples.IMAGE].shape
    return height, width, channels


def _sampler_path(model: types.Artifact) -> str:
    return path_utils.serving_model_path(model.uri, path_utils.is_old_model_artifact(model))


def _split_files(artifacts: list[types.Artifact], split: str) -> list[str]:
    uris = artifact_utils.get_split_uris(artifacts, split)
    return [io_utils.all_files_pattern(uri) for uri in uris]


def _write_evaluation(folder: str, summary: dict[str, Any]) -> None:
    # TFX publishes the folder when the executor has returned: nobody sees it half written.
    text = json.dumps(summary, indent=2, allow_nan=False)
    io_utils.write_string_file(f"{folder}/{METRICS_JSON}", text + "\n")
    pictures = report.Pictures(
        samples=_read_if_there(f"{folder}/{analysis.SAMPLES_PNG}"),
        real=_read_if_there(f"{folder}/{analysis.REAL_PNG}"),
        nearest_pairs=_read_if_there(f"{folder}/{analysis.NEAREST_PAIRS_PNG}"),
        trajectories=_read_if_there(f"{folder}/{analysis.TRAJECTORIES_PNG}"),
    )
    page = report.render(summary, pictures)
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
