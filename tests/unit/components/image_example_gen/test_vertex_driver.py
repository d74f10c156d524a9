"""ImageExampleGen as its container on Vertex AI runs it: the driver and TFX's entry point."""

import json
import os

import pytest
from tfx.orchestration.kubeflow.v2 import compiler_utils
from tfx.orchestration.kubeflow.v2.container import kubeflow_v2_run_executor
from tfx.types import standard_artifacts

from components.image_example_gen import vertex_driver
from components.image_example_gen.component import ImageExampleGen
from components.image_example_gen.executor import Executor
from components.image_example_gen.options import ImageOptions, WindowOptions


@pytest.fixture
def invocation(tmp_path, noise):
    """Makes the arguments for a folder with two spans."""
    for path in ("span-1/a.png", "span-2/b.png", "span-2/c.png", "span-2/d.png", "span-2/e.png"):
        (tmp_path / "images" / path).parent.mkdir(parents=True, exist_ok=True)
        noise(len(path) + ord(path[-5])).save(tmp_path / "images" / path)
    schema = compiler_utils.get_artifact_schema(standard_artifacts.Examples)

    def make(folder="images", span="latest", window=1):
        options = ImageOptions(resolution=8, eval_percent=50)
        properties = ImageExampleGen(
            str(tmp_path / folder) if folder else "",
            options,
            WindowOptions(pattern="span-{SPAN}", window=window),
            span,
        ).exec_properties
        values = {key: value for key, value in properties.items() if value is not None}
        kinds = {k: "STRING" if isinstance(v, str) else "NUMBER_INTEGER" for k, v in values.items()}
        examples = {
            "name": "projects/1/artifacts/2",
            "uri": str(tmp_path / "examples"),
            "type": {"instanceSchema": schema.decode()},
        }
        executor_input = {
            "inputs": {"parameterValues": values},
            "outputs": {
                "artifacts": {"examples": {"artifacts": [examples]}},
                "outputFile": str(tmp_path / "task" / "output.json"),
            },
        }
        inputs_spec = {"parameters": {k: {"parameterType": kind} for k, kind in kinds.items()}}
        return [
            "--json_serialized_invocation_args",
            json.dumps(executor_input),
            "--json_serialized_inputs_spec_args",
            json.dumps(inputs_spec),
            "--runner=FnApiRunner",
        ]

    return make


def output_of(tmp_path):
    return json.loads((tmp_path / "task" / "output.json").read_text())


@pytest.mark.parametrize(("window", "files", "spans"), [(1, 4, [2]), (0, 5, [1, 2])])
def test_the_driver_finds_the_window_and_the_executor_reads_it(
    invocation, tmp_path, window, files, spans
):
    arguments = invocation(window=window)
    assert vertex_driver.main(arguments) == 0
    found = output_of(tmp_path)
    assert found["parameterValues"]["span"] == 2
    resolved = found["parameterValues"]["window"]
    assert [number for number, _, _ in json.loads(resolved)] == spans
    (examples,) = found["artifacts"]["examples"]["artifacts"]
    assert examples["name"] == "projects/1/artifacts/2"
    assert examples["metadata"]["custom:span"] == 2
    assert examples["metadata"]["input_base"] == str(tmp_path / "images")

    # Vertex AI replaces the parameters by the driver's output.
    given = json.loads(arguments[1])
    given["inputs"]["parameterValues"]["window"] = resolved
    arguments[1] = json.dumps(given)
    class_path = f"{Executor.__module__}.{Executor.__name__}"
    parsed = kubeflow_v2_run_executor._parse_flags(
        ["--executor_class_path", class_path, *arguments]
    )
    kubeflow_v2_run_executor.main(parsed)
    (examples,) = output_of(tmp_path)["artifacts"]["examples"]["artifacts"]
    assert examples["metadata"]["files"] == files
    assert json.loads(examples["metadata"]["spans"]) == spans
    assert os.listdir(tmp_path / "examples" / "Split-train")


def test_the_driver_notices_changed_files(invocation, tmp_path):
    fingerprints = set()
    for name in ("span-1/new.png", "span-2/new.png"):
        vertex_driver.main(invocation())
        fingerprints.add(output_of(tmp_path)["parameterValues"]["input_fingerprint"])
        (tmp_path / "images" / name).write_bytes(b"new")
    vertex_driver.main(invocation())
    fingerprints.add(output_of(tmp_path)["parameterValues"]["input_fingerprint"])
    assert len(fingerprints) == 2  # only the span that is read counts


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"folder": ""}, "no data folder: set data.folder"),
        ({"folder": "none"}, "none: the folder cannot be read"),
        ({"span": "7"}, "span 7 was requested but has no folder"),
    ],
)
def test_an_error_is_one_line_and_an_exit_code(invocation, capsys, given, message):
    assert vertex_driver.main(invocation(**given)) == 1
    error = capsys.readouterr().err
    assert message in error
    assert error.count("\n") == 1
