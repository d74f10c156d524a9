"""The part of a Kubernetes API with Kubeflow's training operator that a TFJob needs, on loopback.

The pods of a job are processes on this machine with a TF_CONFIG like the operator's. Request bodies
are checked against the models of Kubernetes' client.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import uuid
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from urllib.parse import parse_qs, urlsplit

import yaml
from kubernetes import client

from tests.ports import reserved_port

NAMESPACE = "images"
JOBS = f"/apis/kubeflow.org/v1/namespaces/{NAMESPACE}/tfjobs"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"


class Pod:
    """A process in place of a pod, with a timestamp for each line that it prints."""

    def __init__(self, job, index, ports, template):
        self.name = f"{job}-worker-{index}"
        self.job, self.index, self.lines, self.finished = job, index, [], None
        (container,) = template["spec"]["containers"]
        assert container["name"] == "tensorflow"
        python, *arguments = container["command"]
        assert python == "python"
        environment = {v["name"]: v["value"] for v in container.get("env", []) if "value" in v}
        environment["TF_CONFIG"] = json.dumps(
            {
                "cluster": {"worker": [f"127.0.0.1:{port}" for port in ports]},
                "task": {"type": "worker", "index": index},
                "environment": "cloud",
            }
        )
        self.process = subprocess.Popen(
            [sys.executable, *arguments],
            env={**os.environ, **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.append((time.time_ns(), line))
        self.process.wait()
        self.finished = now()

    @property
    def code(self):
        return self.process.returncode if self.finished else None

    def to_json(self):
        if self.code is None:
            phase, state = "Running", {"running": {}}
        else:
            phase = "Failed" if self.code else "Succeeded"
            reason = "Error" if self.code else "Completed"
            end = {"exitCode": abs(self.code), "reason": reason, "finishedAt": self.finished}
            state = {"terminated": end}
        labels = {"job-name": self.job, "replica-type": "worker", "replica-index": str(self.index)}
        container = {"name": "tensorflow", "image": "", "imageID": "", "ready": False}
        return {
            "metadata": {
                "name": self.name,
                "namespace": NAMESPACE,
                "labels": {f"training.kubeflow.org/{key}": value for key, value in labels.items()},
            },
            "status": {
                "phase": phase,
                "containerStatuses": [{**container, "restartCount": 0, "state": state}],
            },
        }


class Cluster:
    """The cluster; `kubeconfig` is its configuration file.

    Attributes:
        answers: responses that replace the real ones, by method: a status code and a message.
        created: the bodies of all jobs.
    """

    def __init__(self, folder):
        self.answers, self.created, self.jobs, self.pods = {}, [], {}, {}
        self._held = contextlib.ExitStack()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), handler(self))
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{self._server.server_port}"
        self.kubeconfig = folder / "kubeconfig"
        context = {"cluster": "here", "user": "me", "namespace": NAMESPACE}
        content = {
            "clusters": [{"name": "here", "cluster": {"server": url}}],
            "users": [{"name": "me", "user": {}}],
            "contexts": [{"name": "here", "context": context}],
            "current-context": "here",
        }
        self.kubeconfig.write_text(yaml.safe_dump(content))

    def close(self):
        for pod in self.pods.values():
            pod.process.kill()
            pod.process.wait()
        self._held.close()
        self._server.shutdown()
        self._server.server_close()

    def create(self, body):
        """Creates a job and, like the operator, starts its pods."""
        check_shape(body)
        name = body["metadata"]["name"]
        if name in self.jobs:
            return 409, f'tfjobs.kubeflow.org "{name}" already exists'
        self.created.append(body)
        metadata = body["metadata"] | {"uid": str(uuid.uuid4()), "namespace": NAMESPACE}
        workers = body["spec"]["tfReplicaSpecs"]["Worker"]
        count = workers["replicas"]
        ports = [self._held.enter_context(reserved_port()) for _ in range(count)]
        for index in range(len(ports)):
            pod = Pod(name, index, ports, workers["template"])
            self.pods[pod.name] = pod
        self.jobs[name] = body | {"metadata": metadata}
        return 201, self.jobs[name]

    def get(self, name):
        if name not in self.jobs:
            return 404, f'tfjobs.kubeflow.org "{name}" not found'
        job = self.jobs[name]
        pods = self.pods_of(name)
        if "deletionTimestamp" in job["metadata"] and all(pod.finished for pod in pods):
            self.remove(name)
            return self.get(name)
        conditions = [condition("Created"), condition("Running")]
        if any(pod.code for pod in pods):
            conditions.append(condition("Failed", f"TFJob {name} has failed"))
        elif pods and pods[0].code == 0:
            conditions.append(condition("Succeeded"))
        return 200, job | {"status": {"conditions": conditions}}

    def delete(self, name, options):
        status, job = self.get(name)
        if status != 200:
            return status, job
        uid = options.get("preconditions", {}).get("uid")
        if uid and uid != job["metadata"]["uid"]:
            return 409, "Precondition failed: UID in precondition"
        assert options["propagationPolicy"] == "Foreground"
        self.jobs[name]["metadata"]["deletionTimestamp"] = now()
        for pod in self.pods_of(name):
            pod.process.terminate()
        return 200, job

    def remove(self, name):
        """Removes a job with its pods at once."""
        del self.jobs[name]
        for pod in self.pods_of(name):
            pod.process.kill()
            del self.pods[pod.name]

    def pods_of(self, name):
        pods = [pod for pod in list(self.pods.values()) if pod.job == name]
        return sorted(pods, key=lambda pod: pod.index)


def check_shape(body):
    """Rejects what a TFJob does not have (kubeflow.org/v1)."""
    assert set(body) == {"apiVersion", "kind", "metadata", "spec"}
    assert (body["apiVersion"], body["kind"]) == ("kubeflow.org/v1", "TFJob")
    check_model(body["metadata"], "V1ObjectMeta")
    assert set(body["spec"]) == {"runPolicy", "tfReplicaSpecs"}
    policy = body["spec"]["runPolicy"]
    assert set(policy) <= {"cleanPodPolicy", "ttlSecondsAfterFinished", "activeDeadlineSeconds"}
    assert policy["cleanPodPolicy"] in {"None", "Running", "All"}
    assert set(body["spec"]["tfReplicaSpecs"]) <= {"Chief", "Worker", "PS", "Evaluator"}
    for replicas in body["spec"]["tfReplicaSpecs"].values():
        assert set(replicas) == {"replicas", "restartPolicy", "template"}
        assert replicas["restartPolicy"] in {"Always", "OnFailure", "Never", "ExitCode"}
        check_model(replicas["template"], "V1PodTemplateSpec")


def check_model(values, model):
    """Checks that Kubernetes' client knows every key; it drops unknown ones."""
    api = client.ApiClient()
    known = api.deserialize(SimpleNamespace(data=json.dumps(values)), model)
    assert api.sanitize_for_serialization(known) == values


def condition(kind, message=""):
    return {"type": kind, "status": "True", "reason": f"TFJob{kind}", "message": message}


def now():
    return datetime.now(timezone.utc).isoformat()


def stamped(nanoseconds):
    seconds, rest = divmod(nanoseconds, 10**9)
    moment = datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%S")
    return f"{moment}.{rest:09d}Z"


def handler(cluster):
    class Handler(BaseHTTPRequestHandler):
        def answer(self, status, content):
            if isinstance(content, str) and status >= 400:
                content = {"kind": "Status", "message": content, "code": status}
            data = content if isinstance(content, bytes) else json.dumps(content).encode()
            self.send_response(status)
            kind = "text/plain" if isinstance(content, bytes) else "application/json"
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def handle_any(self):
            if self.command in cluster.answers:
                return self.answer(*cluster.answers[self.command])
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length) or "{}")
            url = urlsplit(self.path)
            query = {key: values[-1] for key, values in parse_qs(url.query).items()}
            name = url.path.removeprefix(JOBS).strip("/")
            try:
                if (self.command, url.path) == ("POST", JOBS):
                    return self.answer(*cluster.create(body))
                if self.command == "GET" and url.path.startswith(f"{JOBS}/"):
                    return self.answer(*cluster.get(name))
                if self.command == "DELETE" and url.path.startswith(f"{JOBS}/"):
                    return self.answer(*cluster.delete(name, body))
                if (self.command, url.path) == ("GET", PODS):
                    job = query["labelSelector"].removeprefix("training.kubeflow.org/job-name=")
                    items = [pod.to_json() for pod in cluster.pods_of(job)]
                    return self.answer(200, {"items": items})
                if self.command == "GET" and url.path.endswith("/log"):
                    pod = cluster.pods[url.path.split("/")[-2]]
                    assert (query["container"], query["timestamps"]) == ("tensorflow", "True")
                    since = time.time_ns() - int(query.get("sinceSeconds", 10**9)) * 10**9
                    lines = [f"{stamped(t)} ".encode() + x for t, x in pod.lines if t >= since]
                    return self.answer(200, b"".join(lines))
            except (AssertionError, KeyError) as error:
                return self.answer(422, f"{type(error).__name__}: {error}")
            return self.answer(404, f"no such path: {self.path}")

        do_GET = do_POST = do_DELETE = handle_any  # noqa: N815

        def log_message(self, *args):
            pass

    return Handler
