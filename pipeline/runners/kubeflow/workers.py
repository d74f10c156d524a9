"""Has a node of a pipeline on Kubeflow train in several pods, which are a TFJob."""

from typing import Any

from kubernetes import client

from components.image_trainer.job_options import VARIABLE, JobOptions
from pipeline.runners.kubeflow.options import KubeflowOptions, NodeOptions
from pipeline.runners.kubeflow.package import escape

# What the pod that waits for the workers gets by the default, and not as its node.
MACHINE = ("cpu", "memory", "shared_memory", "node_selector", "tolerations")
NO_SIDECAR = {"sidecar.istio.io/inject": "false"}  # it would outlive the worker


def with_workers(options: KubeflowOptions, node_id: str, workers: int) -> KubeflowOptions:
    """Options with which the pod of a node starts the workers, which get what it would have got.

    It only waits for them: it has no GPU, and the machine of other nodes.

    Args:
        options: of the pipeline.
        node_id: of the node, an ImageTrainer.
        workers: pods that share the training; with one, the node's own pod trains.
    """
    if workers == 1:
        return options
    node = options.of_node(node_id)
    job = JobOptions(workers=workers, template=pod_template(options, node)).model_dump_json()
    machine = {key: getattr(options.default, key) for key in MACHINE}
    waits = node.model_copy(update={**machine, "gpu": 0, "env": node.env | {VARIABLE: escape(job)}})
    return options.model_copy(update={"nodes": options.nodes | {node_id: waits}})


def pod_template(options: KubeflowOptions, node: NodeOptions) -> dict[str, Any]:
    """A PodTemplateSpec with all that the options give a node, but the metadata database."""
    claims = options.volumes | node.volumes
    volumes = [
        client.V1Volume(
            name=claim,
            persistent_volume_claim=client.V1PersistentVolumeClaimVolumeSource(claim_name=claim),
        )
        for claim in claims
    ]
    mounts = [client.V1VolumeMount(name=claim, mount_path=path) for claim, path in claims.items()]
    if node.shared_memory:
        memory = client.V1EmptyDirVolumeSource(medium="Memory", size_limit=node.shared_memory)
        volumes.append(client.V1Volume(name="shm", empty_dir=memory))
        mounts.append(client.V1VolumeMount(name="shm", mount_path="/dev/shm"))
    resources = {"cpu": node.cpu, "memory": node.memory}
    if node.gpu:
        resources[node.gpu_type] = str(node.gpu)
    limits = {name: quantity for name, quantity in resources.items() if quantity}
    container = client.V1Container(
        name="trainer",
        image=options.image,
        env=_environment(node),
        resources=client.V1ResourceRequirements(limits=limits, requests=limits),
        volume_mounts=mounts,
    )
    template = client.V1PodTemplateSpec(
        metadata=client.V1ObjectMeta(annotations=NO_SIDECAR),
        spec=client.V1PodSpec(
            containers=[container],
            volumes=volumes,
            service_account_name=options.service_account,
            image_pull_secrets=[
                client.V1LocalObjectReference(name=name) for name in options.image_pull_secrets
            ],
            node_selector=dict(node.node_selector),
            tolerations=[client.V1Toleration(**each.model_dump()) for each in node.tolerations],
        ),
    )
    return client.ApiClient().sanitize_for_serialization(template)


def _environment(node: NodeOptions) -> list[client.V1EnvVar]:
    values = dict(node.env) if node.gpu else {"CUDA_VISIBLE_DEVICES": "-1"} | node.env
    environment = [client.V1EnvVar(name=name, value=value) for name, value in values.items()]
    for name, source in node.secrets.items():
        key = client.V1SecretKeySelector(name=source.secret, key=source.key)
        environment.append(
            client.V1EnvVar(name=name, value_from=client.V1EnvVarSource(secret_key_ref=key))
        )
    return environment
