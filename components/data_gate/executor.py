"""Reads the anomalies of every split, writes the verdict, and raises an error on anomalies."""

import json
from typing import Any

from absl import logging
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator import executor as example_validator
from tfx.dsl.components.base import base_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.data_gate import names
from trainer.common import exit_codes

TOO_FEW = anomalies_pb2.AnomalyInfo.DATASET_LOW_NUM_EXAMPLES
SHOWN = 5  # anomalies in an error message; the verdict lists all of them


class DataAnomalyError(ValueError):
    """The data are valid images but have anomalies."""

    exit_code = exit_codes.DATA


class TooFewExamplesError(DataAnomalyError):
    """All anomalies are splits with too few images: with more of them, there may be none."""

    hold = False


class Executor(base_executor.BaseExecutor):
    """Executor of DataGate."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the verdict on the anomalies.

        Raises:
            DataAnomalyError: an anomaly is an error, and `on_anomaly` is stop.
        """
        found = list_anomalies(artifact_utils.get_single_instance(input_dict["anomalies"]))
        verdict = artifact_utils.get_single_uri(output_dict[names.VERDICT])
        with fileio.open(f"{verdict}/{names.VERDICT_JSON}", "w") as file:
            json.dump(found, file, indent=2)
        errors = [anomaly for anomaly in found if anomaly["severity"] == "ERROR"]
        if not errors:
            return
        shown = "; ".join(
            f"{anomaly['feature']} ({anomaly['split']}): {anomaly['description']}"
            for anomaly in errors[:SHOWN]
        )
        more = f"; and {len(errors) - SHOWN} more" if len(errors) > SHOWN else ""
        message = f"{len(errors)} anomalies in the data: {shown}{more}"
        if exec_properties["on_anomaly"] == "stop":
            too_few = all(anomaly["too_few"] for anomaly in errors)
            raise (TooFewExamplesError if too_few else DataAnomalyError)(
                f"{message}. Fix the data or the schema (validation.schema_file), or continue with "
                "validation.on_anomaly=warn"
            )
        logging.warning("%s", message)


def list_anomalies(artifact: types.Artifact) -> list[dict[str, Any]]:
    """Lists the anomalies of an ExampleAnomalies artifact.

    Returns:
        One dictionary per anomaly with `split`, `feature`, `severity` (ERROR or WARNING),
        `description` and `too_few` (whether it is the number of examples); the feature of an
        anomaly of the whole dataset is `dataset`.
    """
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        uri = f"{artifact.uri}/Split-{split}/{example_validator.DEFAULT_FILE_NAME}"
        anomalies = anomalies_pb2.Anomalies()
        with fileio.open(uri, "rb") as file:
            anomalies.ParseFromString(file.read())
        infos = dict(anomalies.anomaly_info)
        if anomalies.HasField("dataset_anomaly_info"):
            infos["dataset"] = anomalies.dataset_anomaly_info
        found += [
            {
                "split": split,
                "feature": feature,
                "severity": anomalies_pb2.AnomalyInfo.Severity.Name(info.severity),
                "description": info.description,
                "too_few": {reason.type for reason in info.reason} == {TOO_FEW},
            }
            for feature, info in sorted(infos.items())
        ]
    return found
