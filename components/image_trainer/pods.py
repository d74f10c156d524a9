"""The pods of a TFJob: their states, their logs, and why one failed."""

import time
from collections.abc import Sequence

from kubernetes import client
from kubernetes.client.exceptions import ApiException
from urllib3.exceptions import HTTPError

CONTAINER = "tensorflow"  # the operator sets TF_CONFIG in the container of this name
NAME_LABEL, INDEX_LABEL = "training.kubeflow.org/job-name", "training.kubeflow.org/replica-index"
REQUEST_SECONDS = 60.0  # timeout of a request to the API server
LOG_OVERLAP_SECONDS = 60  # read again with each poll; timestamps identify the new lines


def list_pods(core: client.CoreV1Api, namespace: str, job: str) -> list[client.V1Pod]:
    """Lists the pods of a job in the order of the workers."""
    pods = core.list_namespaced_pod(
        namespace, label_selector=f"{NAME_LABEL}={job}", _request_timeout=REQUEST_SECONDS
    )
    return sorted(pods.items, key=_index)


def describe_state(pod: client.V1Pod) -> str:
    """Returns the phase of a pod and what keeps it from running."""
    status = pod.status
    reasons = [
        container.state.waiting.reason
        for container in status.container_statuses or []
        if container.state.waiting
    ] + [
        condition.message
        for condition in status.conditions or []
        if condition.type == "PodScheduled" and condition.status == "False"
    ]
    state = f"worker {_index(pod)} is {status.phase.lower()}"
    return f"{state} ({reasons[0]})" if reasons else state


class Logs:
    """Copies what the workers print to the output of this process, line by line."""

    def __init__(self, core: client.CoreV1Api) -> None:
        self._core = core
        self._logs: dict[str, _Log] = {}  # by name of the pod

    def copy(self, pods: Sequence[client.V1Pod]) -> None:
        """Prints the new lines of the pods."""
        for pod in pods:
            self._logs.setdefault(pod.metadata.name, _Log(self._core, pod)).copy()

    def describe_failure(self, pods: Sequence[client.V1Pod]) -> tuple[str, int] | None:
        """Describes the worker that failed first, which made the others fail.

        Returns:
            A line and the exit code of the worker; None if none failed.
        """
        ends = [
            (status.state.terminated.finished_at, pod, status.state.terminated)
            for pod in pods
            for status in pod.status.container_statuses or []
            if status.state.terminated and status.state.terminated.exit_code
        ]
        if not ends:
            return None
        _, pod, end = min(ends, key=lambda end: end[0])
        last_line = self._logs[pod.metadata.name].last_line or end.reason
        code = end.exit_code
        return f"worker {_index(pod)} exited with code {code} ({end.reason}): {last_line}", code


class _Log:
    def __init__(self, core: client.CoreV1Api, pod: client.V1Pod) -> None:
        self.last_line = ""
        self._core = core
        self._pod = pod
        self._last_time = ""  # RFC 3339 with nine decimals, which sorts as text
        self._read_at: float | None = None

    def copy(self) -> None:
        since, now = None, time.monotonic()
        if self._read_at is not None:
            since = int(now - self._read_at) + LOG_OVERLAP_SECONDS
        try:
            response = self._core.read_namespaced_pod_log(
                self._pod.metadata.name,
                self._pod.metadata.namespace,
                container=CONTAINER,
                timestamps=True,
                since_seconds=since,
                _preload_content=False,
                _request_timeout=REQUEST_SECONDS,
            )
        except (ApiException, HTTPError):
            return  # not started or unreachable; the next poll tries again
        self._read_at = now
        for line in response.data.decode(errors="replace").splitlines():
            moment, _, text = line.partition(" ")
            if moment > self._last_time:
                self._last_time = moment
                self.last_line = text.strip() or self.last_line
                print(f"  worker {_index(self._pod)}: {text}", flush=True)


def _index(pod: client.V1Pod) -> int:
    return int(pod.metadata.labels[INDEX_LABEL])
