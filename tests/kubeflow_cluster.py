"""Runs a package of Kubeflow Pipelines like a cluster, in one process or in one per task.

Every task has the exact command, arguments and environment of the package; placeholders are
substituted as by Kubeflow's launcher. There are no images, volumes or machines: paths are those of
this machine.
"""

import contextlib
import io
import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner


@dataclass
class TaskResult:
    """How a task ended.

    Attributes:
        code: exit code.
        text: its output.
        report: the page that Kubeflow would show, if any.
        metrics: the metrics that Kubeflow would show.
    """

    code: int
    text: str
    report: str | None
    metrics: dict[str, float]


class TaskPackage:
    """A compiled package; tasks are named by their displayed names."""

    def __init__(self, path: Path) -> None:
        self.text = path.read_text("utf-8")
        self.spec, self.platform = [*yaml.safe_load_all(self.text), {}][:2]
        tasks = self.spec["root"]["dag"]["tasks"]
        names = {key: task["taskInfo"]["name"] for key, task in tasks.items()}
        self.tasks = {names[key]: task for key, task in tasks.items()}
        self.upstream = {
            names[key]: [names[other] for other in task.get("dependentTasks", [])]
            for key, task in tasks.items()
        }

    def executor(self, name: str) -> str:
        """The label of a task's executor."""
        component = self.spec["components"][self.tasks[name]["componentRef"]["name"]]
        return component["executorLabel"]

    def container(self, name: str) -> dict[str, Any]:
        """Image, command, arguments, environment and resources of a task."""
        return self.spec["deploymentSpec"]["executors"][self.executor(name)]["container"]

    def kubernetes(self, name: str) -> dict[str, Any]:
        """The options that kfp-kubernetes adds to a task's pod."""
        executors = self.platform["platforms"]["kubernetes"]["deploymentSpec"]["executors"]
        return executors[self.executor(name)]

    def inputs(self) -> dict[str, Any]:
        """The pipeline's inputs, as declared by the package."""
        return self.spec["root"].get("inputDefinitions", {}).get("parameters", {})


class ProcessCluster:
    """Runs packages in `folder`; `secrets` by name, each by key."""

    def __init__(self, folder: Path, secrets: Mapping[str, Mapping[str, str]]) -> None:
        self.folder = folder
        self.secrets = secrets

    def run(
        self,
        package: TaskPackage,
        run_id: str,
        before: Mapping[str, TaskResult] | None = None,
        **parameters: Any,
    ) -> dict[str, TaskResult]:
        """Runs all tasks except those in `before`, one after another.

        Tasks whose upstream tasks failed do not run and are not in the result.
        """
        done = dict(before or {})
        while ready := _ready(package, done):
            done[ready[0]] = self.run_task(package, ready[0], run_id, **parameters)
        return done

    def run_task(
        self, package: TaskPackage, name: str, run_id: str, **parameters: Any
    ) -> TaskResult:
        """Runs one task to its end."""
        return self.end_task(name, run_id, self.start_task(package, name, run_id, **parameters))

    def end_task(self, name: str, run_id: str, process: subprocess.Popen) -> TaskResult:
        """Waits for a task's process."""
        text = process.communicate()[0]
        return self._done(name, run_id, process.returncode, text)

    def start_task(
        self,
        package: TaskPackage,
        name: str,
        run_id: str,
        prefix: Sequence[str] = (),
        **parameters: Any,
    ) -> subprocess.Popen:
        """Starts one task's process; `prefix` is a command that runs it."""
        return subprocess.Popen(
            [*prefix, *self._command(package, name, run_id, parameters)],
            cwd=self.folder,
            env={
                "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
                "HOME": str(self.folder),
                "TF_CPP_MIN_LOG_LEVEL": "3",
                **self._environment(package, name, run_id),
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def _command(
        self, package: TaskPackage, name: str, run_id: str, parameters: Mapping[str, Any]
    ) -> list[str]:
        container = package.container(name)
        values = self._values(package, name, run_id, parameters)
        self._outputs(name, run_id).mkdir(parents=True, exist_ok=True)
        return [
            self._fill(package, argument, name, run_id, values)
            for argument in [*container["command"], *container.get("args", [])]
        ]

    def _environment(self, package: TaskPackage, name: str, run_id: str) -> dict[str, str]:
        container, pod = package.container(name), package.kubernetes(name)
        environment = {entry["name"]: entry["value"] for entry in container.get("env", [])}
        for reference in pod.get("secretAsEnv", []):
            secret = self.secrets[reference["secretName"]]
            for entry in reference["keyToEnv"]:
                environment[entry["envVar"]] = secret[entry["secretKey"]]
        for entry in pod.get("fieldPathAsEnv", []):
            environment[entry["name"]] = f"{run_id}-{name}".lower()
        return environment

    def _outputs(self, name: str, run_id: str) -> Path:
        return self.folder / "kubeflow" / run_id / name

    def _values(
        self, package: TaskPackage, name: str, run_id: str, parameters: Mapping[str, Any]
    ) -> dict[str, str]:
        wired = package.tasks[name].get("inputs", {}).get("parameters", {})
        unknown = set(parameters) - set(package.inputs())
        assert not unknown, f"no inputs {unknown}"
        values = {}
        for key, source in wired.items():
            if "runtimeValue" in source:  # Kubeflow substitutes the run's id only here
                constant = source["runtimeValue"]["constant"]
                values[key] = {"{{$.pipeline_job_uuid}}": run_id}.get(constant, constant)
                continue
            declared = package.inputs()[source["componentInputParameter"]]
            value = parameters.get(source["componentInputParameter"], declared.get("defaultValue"))
            assert value is not None, f"{name}: no value for {key}"
            if declared["parameterType"] == "NUMBER_INTEGER":
                value = int(value)  # YAML and JSON hold numbers as floats
            values[key] = str(value)
        return values

    def _fill(
        self, package: TaskPackage, text: str, name: str, run_id: str, values: Mapping[str, str]
    ) -> str:
        component = package.spec["components"][package.tasks[name]["componentRef"]["name"]]
        artifacts = component.get("outputDefinitions", {}).get("artifacts", {})
        folder = self._outputs(name, run_id)
        executor_input = {
            "inputs": {"parameterValues": values},
            "outputs": {
                "artifacts": {
                    key: {
                        "artifacts": [
                            {
                                "name": key,
                                "uri": f"minio://mlpipeline/{run_id}/{name}/{key}",
                                "type": declared["artifactType"],
                                "metadata": {},
                            }
                        ]
                    }
                    for key, declared in artifacts.items()
                },
                "outputFile": str(folder / "executor_output.json"),
            },
        }
        fillings = {
            "{{$}}": json.dumps(executor_input),
            **{f"{{{{$.inputs.parameters['{k}']}}}}": v for k, v in values.items()},
            **{f"{{{{$.outputs.artifacts['{k}'].path}}}}": str(folder / k) for k in artifacts},
        }
        placeholders = "|".join(map(re.escape, fillings))
        unknown = re.sub(placeholders, "", text)
        assert "{{" not in unknown and "$(" not in unknown, unknown[:300]
        return re.sub(placeholders, lambda match: fillings[match.group()], text)

    def _done(self, name: str, run_id: str, code: int, text: str) -> TaskResult:
        report = self._outputs(name, run_id) / "report"
        output = self._outputs(name, run_id) / "executor_output.json"
        metrics = {}
        if output.exists():
            written = json.loads(output.read_text("utf-8"))
            metrics = written["artifacts"]["metrics"]["artifacts"][0]["metadata"]
        return TaskResult(
            code, text, report.read_text("utf-8") if report.exists() else None, metrics
        )


class InProcessCluster(ProcessCluster):
    """Runs the tasks in this process, which has imported TFX already."""

    def run_task(
        self, package: TaskPackage, name: str, run_id: str, **parameters: Any
    ) -> TaskResult:
        """Calls the entry point of one task: of a node, or of `iadb`."""
        from pipeline import cli
        from pipeline.runners.kubeflow import node
        from pipeline.runners.kubeflow.package import ENTRY_POINT

        command = self._command(package, name, run_id, parameters)
        text = io.StringIO()
        with (
            pytest.MonkeyPatch.context() as patch,
            contextlib.redirect_stdout(text),
            contextlib.redirect_stderr(text),
        ):
            for variable, value in self._environment(package, name, run_id).items():
                patch.setenv(variable, value)
            if command[: len(ENTRY_POINT)] == ENTRY_POINT:
                code = node.main(command[len(ENTRY_POINT) :])
            else:
                assert command[:4] == ["python", "-P", "-m", "pipeline.cli"]
                ended = CliRunner().invoke(cli.main, command[4:])
                code = ended.exit_code
                print(ended.output)
        return self._done(name, run_id, code, text.getvalue())


def _ready(package: TaskPackage, done: Mapping[str, TaskResult]) -> list[str]:
    """The tasks that have not run and whose upstream tasks have all succeeded."""
    return [
        name
        for name, upstream in package.upstream.items()
        if name not in done and all(other in done and done[other].code == 0 for other in upstream)
    ]
