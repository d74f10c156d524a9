"""The manifests in kubeflow/: valid, consistent, and with minimal permissions."""

import pathlib
import re
import subprocess

import kubernetes_validate
import pytest
import yaml

from pipeline.commands.run import run
from pipeline.config.pipeline_config import load
from pipeline.config.values import presets
from pipeline.metadata.database import KEYS, variable
from pipeline.runners.kubeflow.config import KubeflowConfig
from tests.programs import find_program

KUBERNETES = "1.34"
PROJECT = pathlib.Path(__file__).parents[3]
FOLDER = PROJECT / "kubeflow"
BASE = FOLDER / "manifests" / "base"
OVERLAYS = sorted(path.parent for path in (FOLDER / "manifests").glob("overlays/*/*.yaml"))
FILES = sorted({*BASE.glob("*.yaml"), *(FOLDER / "manifests").glob("*.yaml")})
CRONJOB = FOLDER / "manifests" / "cronjob.yaml"
README = (FOLDER / "README.md").read_text("utf-8")
OPTIONS = KubeflowConfig()
RUN_POD = {"pipelines.kubeflow.org/v2_component": "true"}  # Kubeflow's label of a run's pods


def documents(*files):
    """The resources in files."""
    found = [part for file in files for part in yaml.safe_load_all(file.read_text("utf-8"))]
    return [part for part in found if part["kind"] != "Kustomization"]


RESOURCES = documents(*FILES)
IDS = [f"{part['kind']}-{part['metadata']['name']}" for part in RESOURCES]


def of_kind(*kinds):
    return [part for part in RESOURCES if part["kind"] in kinds]


def only(kind, name):
    (found,) = [part for part in of_kind(kind) if part["metadata"]["name"] == name]
    return found


def pods():
    """Labels and specification of every pod of the manifests."""
    for part in of_kind("Deployment", "StatefulSet"):
        yield part["spec"]["template"]["metadata"]["labels"], part["spec"]["template"]["spec"]
    for part in of_kind("CronJob"):
        template = part["spec"]["jobTemplate"]["spec"]["template"]
        yield template["metadata"]["labels"], template["spec"]
    for part in of_kind("Pod"):
        yield part["metadata"]["labels"], part["spec"]


def containers():
    for _, spec in pods():
        for container in spec.get("initContainers", []) + spec["containers"]:
            yield spec, container


def kustomization(folder):
    return yaml.safe_load((folder / "kustomization.yaml").read_text("utf-8"))


def build(folder):
    command = find_program("kustomize", "kustomize")
    output = subprocess.run([command, "build", folder], check=True, capture_output=True, text=True)
    return list(yaml.safe_load_all(output.stdout))


@pytest.mark.parametrize("resource", RESOURCES, ids=IDS)
def test_each_resource_is_valid_in_kubernetes(resource):
    kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_the_kustomization_lists_every_file():
    listed = kustomization(BASE)
    generated = [file for part in listed["configMapGenerator"] for file in part["files"]]
    there = {path.name for path in BASE.iterdir()} - {"kustomization.yaml"}
    assert {*listed["resources"], *generated} == there


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=lambda folder: folder.name)
def test_kustomize_builds_valid_resources(folder):
    built = build(folder)
    there = [*documents(*BASE.glob("*.yaml")), {"kind": "ConfigMap"}]
    assert sorted(part["kind"] for part in built) == sorted(part["kind"] for part in there)
    for resource in built:
        kubernetes_validate.validate(resource, KUBERNETES, strict=True)


def test_the_single_node_overlay_requires_no_shared_storage():
    modes = {
        mode
        for part in build(FOLDER / "manifests/overlays/single-node")
        for claim in [part, *part.get("spec", {}).get("volumeClaimTemplates", [])]
        for mode in claim.get("spec", {}).get("accessModes", [])
    }
    assert modes == {"ReadWriteOnce"}


def test_the_overlay_for_all_signatures_disables_batching():
    for folder, batching in ((BASE, True), (FOLDER / "manifests/overlays/all-signatures", False)):
        (serving,) = [part for part in build(folder) if part["kind"] == "Deployment"]
        (container,) = serving["spec"]["template"]["spec"]["containers"]
        assert any("batching" in argument for argument in container["args"]) == batching
        assert "--model_base_path=/mnt/iadb/serving" in container["args"]


def test_the_overlay_for_all_signatures_admits_only_labeled_pods_to_the_server():
    overlay, base = (
        next(
            part
            for part in build(folder)
            if part["metadata"]["name"] == "iadb-serving" and part["kind"] == "NetworkPolicy"
        )
        for folder in (FOLDER / "manifests/overlays/all-signatures", BASE)
    )
    clients = {"podSelector": {"matchLabels": {"iadb-serving-client": "true"}}}
    assert [rule["from"] for rule in overlay["spec"]["ingress"]] == [[clients]]
    for part in (base, overlay):
        (rule,) = part["spec"]["ingress"]
        assert {port["port"] for port in rule["ports"]} == {"grpc", "rest"}
    assert 'iadb-serving-client: "true"' in README


@pytest.mark.parametrize("preset", [None, *presets()])
def test_a_batch_of_the_server_is_within_the_limits_of_the_model(preset):
    text = (BASE / "batching.txt").read_text("utf-8")
    (size,) = re.findall(r"max_batch_size \{ value: (\d+) \}", text)
    assert int(size) <= load(preset, None).sample.limits.images


def test_names_are_the_defaults_of_the_configuration():
    assert {part["metadata"]["name"] for part in of_kind("ServiceAccount")} == {
        OPTIONS.service_account
    }
    assert {part["metadata"]["name"] for part in of_kind("PersistentVolumeClaim")} == {
        *OPTIONS.volumes
    }
    assert f"create secret generic {OPTIONS.metadata_secret}" in README
    (path,) = OPTIONS.volumes.values()
    mounts = {mount["mountPath"] for _, c in containers() for mount in c["volumeMounts"]}
    assert path in mounts and OPTIONS.root == path
    (server,) = [c for _, c in containers() if c["name"] == "serving"]
    assert f"--model_base_path={OPTIONS.root}/serving" in server["args"]


def test_the_command_for_the_secret_sets_every_key_that_pods_read():
    (command,) = re.findall(r"create secret generic iadb-metadata[^`]*", README)
    given = set(re.findall(r"--from-(?:literal|file)=(\w+)=", command))
    read = {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for _, container in containers()
        for entry in container.get("env", [])
        if "valueFrom" in entry
    }
    assert read <= given
    assert given == {*KEYS}
    assert f"host={only('Service', 'iadb-postgresql')['metadata']['name']}" in command


def test_the_shell_has_what_the_commands_for_models_read():
    (container,) = only("Pod", "iadb-files")["spec"]["containers"]
    read = {each["name"]: each["valueFrom"]["secretKeyRef"] for each in container["env"]}
    assert read == {
        variable(key): {"name": OPTIONS.metadata_secret, "key": key, "optional": True}
        for key in KEYS
    }


def test_manifests_contain_no_secrets_or_passwords():
    assert not of_kind("Secret")
    for _, container in containers():
        for entry in container.get("env", []):
            if re.search("PASSWORD|USER|TOKEN|KEY", entry["name"]):
                assert "value" not in entry


def test_selectors_and_network_policies_select_existing_pods():
    labels = [labels for labels, _ in pods()]
    selectors = [part["spec"]["selector"] for part in of_kind("Service")]
    for part in of_kind("Deployment", "StatefulSet"):
        selectors.append(part["spec"]["selector"]["matchLabels"])
    for policy in of_kind("NetworkPolicy"):
        selectors.append(policy["spec"]["podSelector"]["matchLabels"])
    for selector in selectors:
        assert [found for found in labels if selector.items() <= found.items()], selector
    policies = [part["spec"]["podSelector"]["matchLabels"] for part in of_kind("NetworkPolicy")]
    services = [part["spec"]["selector"] for part in of_kind("Service")]
    assert policies == [{"app.kubernetes.io/part-of": "iadb"}, *services]


def test_services_probes_and_policies_name_existing_ports():
    ports = {}
    for labels, spec in pods():
        named = {p["name"] for c in spec["containers"] for p in c.get("ports", [])}
        ports[labels["app.kubernetes.io/name"]] = named
        for container in spec["containers"]:
            for kind in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(kind, {})
                action = probe.get("httpGet") or probe.get("tcpSocket")
                assert not action or action["port"] in named
    for service in of_kind("Service"):
        target = ports[service["spec"]["selector"]["app.kubernetes.io/name"]]
        assert {port["targetPort"] for port in service["spec"]["ports"]} == target
    for policy in of_kind("NetworkPolicy"):
        selected = policy["spec"]["podSelector"]["matchLabels"]
        for rule in policy["spec"].get("ingress", []):
            target = ports[selected["app.kubernetes.io/name"]]
            assert {port["port"] for port in rule["ports"]} == target


def test_only_pods_of_a_run_and_the_shell_reach_the_database():
    spec = only("NetworkPolicy", "iadb-postgresql")["spec"]
    (rule,) = spec["ingress"]
    shell = {"app.kubernetes.io/name": "iadb-files"}
    assert rule["from"] == [{"podSelector": {"matchLabels": each}} for each in (RUN_POD, shell)]


@pytest.mark.parametrize("folder", [BASE, *OVERLAYS], ids=lambda folder: folder.name)
def test_no_pod_accepts_connections_that_no_policy_allows(folder):
    policies = [part["spec"] for part in build(folder) if part["kind"] == "NetworkPolicy"]
    (default,) = [spec for spec in policies if "ingress" not in spec]
    assert default["policyTypes"] == ["Ingress"]
    pods_built = [
        part["spec"]["template"] for part in build(folder) if "template" in part.get("spec", {})
    ]
    job = only("CronJob", "iadb-retraining")["spec"]["jobTemplate"]["spec"]
    for pod in [*pods_built, job["template"], only("Pod", "iadb-files")]:
        assert default["podSelector"]["matchLabels"].items() <= pod["metadata"]["labels"].items()


def test_database_and_server_have_no_egress():
    for service in of_kind("Service"):
        policy = only("NetworkPolicy", service["metadata"]["name"])
        assert "Egress" in policy["spec"]["policyTypes"]
        assert "egress" not in policy["spec"]


def test_volumes_exist_and_the_server_cannot_write_to_them():
    claims = {part["metadata"]["name"] for part in of_kind("PersistentVolumeClaim")}
    maps = {part["name"] for part in kustomization(BASE)["configMapGenerator"]}
    maps |= set(re.findall(r"create configmap (\S+)", CRONJOB.read_text("utf-8")))
    for part in of_kind("StatefulSet"):
        own = {claim["metadata"]["name"] for claim in part["spec"]["volumeClaimTemplates"]}
        mounts = part["spec"]["template"]["spec"]["containers"][0]["volumeMounts"]
        assert own <= {mount["name"] for mount in mounts}
    for _, spec in pods():
        for volume in spec["volumes"]:
            assert volume.get("persistentVolumeClaim", {}).get("claimName") in {None, *claims}
            assert volume.get("configMap", {}).get("name") in {None, *maps}
    for _, container in containers():
        if "serving" in container["image"]:
            (mount,) = [m for m in container["volumeMounts"] if m["name"] == "iadb"]
            assert mount["readOnly"]


@pytest.mark.parametrize(
    ("spec", "container"), list(containers()), ids=[c["name"] for _, c in containers()]
)
def test_every_container_is_pinned_limited_and_unprivileged(spec, container):
    tag = container["image"].rpartition(":")[2]
    assert re.match(r"\d+\.\d+", tag)
    assert {"cpu", "memory"} <= set(container["resources"]["requests"])
    assert {"cpu", "memory"} <= set(container["resources"]["limits"])
    pod = spec["securityContext"]
    assert pod["runAsNonRoot"] and pod["runAsUser"] > 0 and pod["runAsGroup"] > 0
    assert pod["seccompProfile"] == {"type": "RuntimeDefault"}
    own = container["securityContext"]
    assert own["allowPrivilegeEscalation"] is False
    assert own["readOnlyRootFilesystem"] is True
    assert own["capabilities"] == {"drop": ["ALL"]}
    assert spec["automountServiceAccountToken"] is False


def test_the_images_user_can_write_to_tmp_and_its_home():
    home = re.search(r"HOME=(\S+)", (FOLDER / "Dockerfile").read_text("utf-8"))[1]
    for _, container in containers():
        if container["image"] == OPTIONS.image:
            paths = {mount["mountPath"] for mount in container["volumeMounts"]}
            assert {"/tmp", home, OPTIONS.root} <= paths


def test_the_service_account_has_only_the_permissions_that_a_run_needs():
    (binding,) = of_kind("RoleBinding")
    (role,) = of_kind("Role")
    assert binding["roleRef"]["name"] == role["metadata"]["name"]
    assert [subject["name"] for subject in binding["subjects"]] == [OPTIONS.service_account]
    rights = {
        (group, resource, *rule.get("resourceNames", [])): set(rule["verbs"])
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
    }
    assert rights == {
        ("argoproj.io", "workflowtaskresults"): {"create", "patch"},
        ("argoproj.io", "workflowtasksets"): {"list", "watch"},
        ("argoproj.io", "workflowtasksets/status"): {"patch"},
        ("", "configmaps", "kfp-launcher"): {"get"},
        ("", "secrets", "mlpipeline-minio-artifact"): {"get"},
        ("", "pods"): {"get", "list", "watch"},
        ("", "pods/log"): {"get"},
        ("kubeflow.org", "tfjobs"): {"create", "delete", "get", "list", "watch"},
    }


def test_the_cron_job_starts_an_existing_command_one_at_a_time():
    spec = only("CronJob", "iadb-retraining")["spec"]
    assert spec["concurrencyPolicy"] == "Forbid"
    (container,) = spec["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    iadb, command, *arguments = container["command"]
    assert (iadb, command) == ("iadb", run.name)
    assert run.make_context("run", arguments).params["if_new_data"]
