"""DataGate: fails if the data have anomalies; the Trainer waits for it."""

import json
from typing import Any

from absl import logging
from tensorflow_metadata.proto.v0 import anomalies_pb2
from tfx import types
from tfx.components.example_validator.executor import DEFAULT_FILE_NAME
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.io import fileio
from tfx.types import artifact, artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies

from trainer.common import exit_codes

TOO_FEW = anomalies_pb2.AnomalyInfo.DATASET_LOW_NUM_EXAMPLES
SHOWN = 5  # anomalies in an error message; the verdict lists all of them


class DataAnomalyError(ValueError):
    """The data are valid images but have anomalies."""

    exit_code = exit_codes.DATA


class TooFewExamplesError(DataAnomalyError):
    """All anomalies are splits with too few images: with more of them, there may be none."""

    hold = False


class DataVerdict(artifact.Artifact):
    """The anomalies found in the data: verdict.json."""

    TYPE_NAME = "components.DataVerdict"


@component
def DataGate(
    anomalies: InputArtifact[ExampleAnomalies],
    verdict: OutputArtifact[DataVerdict],
    on_anomaly: Parameter[str],
    source_hash: Parameter[str],
) -> None:
    """Fails the run if anomalies of ExampleValidator are errors, and reports them.

    Args:
        anomalies: those of ExampleValidator, which itself never stops a pipeline.
        verdict: lists them.
        on_anomaly: `stop`, or `warn` to log them and continue.
        source_hash: of the code; not read: a new one invalidates TFX's cache.

    Raises:
        DataAnomalyError: an anomaly is an error, and `on_anomaly` is stop.
    """
    found = _list_anomalies(anomalies)
    with fileio.open(f"{verdict.uri}/verdict.json", "w") as file:
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
    if on_anomaly == "stop":
        too_few = all(anomaly["too_few"] for anomaly in errors)
        raise (TooFewExamplesError if too_few else DataAnomalyError)(
            f"{message}. Fix the data or the schema (validation.schema_file), or continue with "
            "validation.on_anomaly=warn"
        )
    logging.warning("%s", message)


def _list_anomalies(artifact: types.Artifact) -> list[dict[str, Any]]:
    """What verdict.json lists: the feature of an anomaly of a whole split is `dataset`."""
    found = []
    for split in artifact_utils.decode_split_names(artifact.split_names):
        uri = f"{artifact_utils.get_split_uri([artifact], split)}/{DEFAULT_FILE_NAME}"
        with fileio.open(uri, "rb") as file:
            anomalies = anomalies_pb2.Anomalies.FromString(file.read())
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
