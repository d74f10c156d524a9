"""Trains a node of a pipeline on Kubeflow in several pods, which are a TFJob."""

from typing import Any

from components.image_trainer.job_options import VARIABLE, JobOptions
from pipeline.runners.kubeflow.options import USER, KubeflowOptions, NodeOptions
from pipeline.runners.kubeflow.package import escape

# The options that the waiting pod takes from the default, not from its node.
MACHINE = ("cpu", "memory", "shared_memory", "node_selector", "tolerations")
NO_SIDECAR = {"sidecar.istio.io/inject": "false"}  # it would outlive the worker


def with_workers(options: KubeflowOptions, node_id: str, workers: int) -> KubeflowOptions:
    """Options with which a node's pod starts workers, which get the resources of the node.

    The pod only waits for them: it has no GPU, and the machine of other nodes.

    Args:
        options: of the pipeline.
        node_id: of an ImageTrainer.
        workers: number of pods that share the training; if 1, the node's own pod trains.
    """
    if workers == 1:
        return options
    node = options.of_node(node_id)
    job = JobOptions(workers=workers, template=pod_template(options, node)).model_dump_json()
    machine = {key: getattr(options.default, key) for key in MACHINE}
    waits = node.model_copy(update={**machine, "gpu": 0, "env": node.env | {VARIABLE: escape(job)}})
    return options.model_copy(update={"nodes": options.nodes | {node_id: waits}})


def pod_template(options: KubeflowOptions, node: NodeOptions) -> dict[str, Any]:
    """A PodTemplateSpec with everything that a node's pod has, except the metadata database."""
    claims = options.volumes | node.volumes
    volumes = [{"name": claim, "persistentVolumeClaim": {"claimName": claim}} for claim in claims]
    mounts = [{"name": claim, "mountPath": path} for claim, path in claims.items()]
    if node.shared_memory:
        memory = {"medium": "Memory", "sizeLimit": node.shared_memory}
        volumes.append({"name": "shm", "emptyDir": memory})
        mounts.append({"name": "shm", "mountPath": "/dev/shm"})
    gpu = {node.gpu_type: str(node.gpu)} if node.gpu else {}
    resources = {"cpu": node.cpu, "memory": node.memory, **gpu}
    limits = {name: quantity for name, quantity in resources.items() if quantity}
    secrets = {
        name: {"secretKeyRef": {"name": source.secret, "key": source.key}}
        for name, source in node.secrets.items()
    }
    container = {
        "name": "trainer",
        "image": options.image,
        "env": [
            *({"name": name, "value": value} for name, value in node.variables.items()),
            *({"name": name, "valueFrom": source} for name, source in secrets.items()),
        ],
        "resources": {"limits": limits, "requests": limits},
        "volumeMounts": mounts,
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
        },
    }
    return {
        "metadata": {"annotations": NO_SIDECAR},
        "spec": {
            "containers": [container],
            "volumes": volumes,
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": USER,
                "runAsGroup": USER,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "serviceAccountName": options.service_account,
            "imagePullSecrets": [{"name": name} for name in options.image_pull_secrets],
            "nodeSelector": node.node_selector,
            "tolerations": [each.model_dump(exclude_none=True) for each in node.tolerations],
        },
    }
