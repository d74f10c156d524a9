import json
import shutil
from pathlib import Path

import pandas
import pytest
import tensorflow_data_validation as tfdv
from google.protobuf import text_format
from tensorflow_metadata.proto.v0 import anomalies_pb2, schema_pb2
from tfx.types import artifact_utils
from tfx.types.standard_artifacts import ExampleAnomalies

from components.data_gate import DataAnomalyError, DataGate, DataVerdict, TooFewExamplesError

INFO = anomalies_pb2.AnomalyInfo
SCHEMA = Path("pipeline/schema.pbtxt")


@pytest.fixture
def gate(tmp_path):
    def judge(anomalies, on_anomaly="stop"):
        """Runs DataGate on {split: Anomalies}; returns its verdict."""
        found, verdict = ExampleAnomalies(), DataVerdict()
        found.uri, verdict.uri = str(tmp_path / "anomalies"), str(tmp_path / "verdict")
        found.split_names = artifact_utils.encode_split_names(list(anomalies))
        (tmp_path / "verdict").mkdir()
        for split, proto in anomalies.items():
            folder = tmp_path / "anomalies" / f"Split-{split}"
            folder.mkdir(parents=True)
            (folder / "SchemaDiff.pb").write_bytes(proto.SerializeToString())
        DataGate.test_call(anomalies=found, verdict=verdict, on_anomaly=on_anomaly, source_hash="")
        return json.loads((tmp_path / "verdict" / "verdict.json").read_text())

    return judge


def anomalies(**features):
    proto = anomalies_pb2.Anomalies()
    for feature, severity in features.items():
        proto.anomaly_info[feature].severity = severity
        proto.anomaly_info[feature].description = f"{feature} is odd"
    return proto


def test_data_without_anomalies_pass(gate):
    assert gate({"train": anomalies(), "eval": anomalies()}) == []


def test_an_error_stops_the_run_and_is_reported(gate):
    with pytest.raises(DataAnomalyError, match=r"mean \(eval\): mean is odd") as error:
        gate({"train": anomalies(), "eval": anomalies(mean=INFO.ERROR)})
    assert "validation.on_anomaly=warn" in str(error.value)


def test_warnings_pass_and_are_listed(gate):
    (found,) = gate({"train": anomalies(stddev=INFO.WARNING)})
    assert found == {
        "split": "train",
        "feature": "stddev",
        "severity": "WARNING",
        "description": "stddev is odd",
        "too_few": False,
    }


def test_errors_pass_if_so_configured(gate):
    (found,) = gate({"train": anomalies(mean=INFO.ERROR)}, on_anomaly="warn")
    assert found["severity"] == "ERROR"


def test_an_anomaly_of_the_whole_dataset_is_an_error(gate):
    proto = anomalies_pb2.Anomalies()
    proto.dataset_anomaly_info.severity = INFO.ERROR
    proto.dataset_anomaly_info.description = "too few examples"
    with pytest.raises(DataAnomalyError, match=r"dataset \(train\): too few examples") as error:
        gate({"train": proto})
    assert not isinstance(error.value, TooFewExamplesError)


def test_too_few_images_alone_are_told_from_wrong_ones(gate, tmp_path):
    schema = text_format.Parse(SCHEMA.read_text(), schema_pb2.Schema())
    statistics = tfdv.generate_statistics_from_dataframe(pandas.DataFrame({"mean": [0.5] * 3}))
    schema.ClearField("feature")
    few = tfdv.validate_statistics(statistics, schema)
    few.ClearField("anomaly_info")  # of the features that this schema has not
    with pytest.raises(TooFewExamplesError, match="examples"):
        gate({"train": few})
    both = anomalies(mean=INFO.ERROR)
    both.dataset_anomaly_info.CopyFrom(few.dataset_anomaly_info)
    shutil.rmtree(tmp_path / "anomalies"), (tmp_path / "verdict").rename(tmp_path / "before")
    with pytest.raises(DataAnomalyError) as error:
        gate({"train": both})
    assert not isinstance(error.value, TooFewExamplesError)


def test_a_long_list_is_shortened_in_the_message_but_counted_fully(gate):
    many = {f"feature{i}": INFO.ERROR for i in range(8)}
    with pytest.raises(DataAnomalyError, match=r"8 anomalies in the data.*; and 3 more"):
        gate({"train": anomalies(**many)})
