"""Options of a pipeline and its nodes on a Kubernetes cluster."""

import re
from collections import Counter
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, model_validator

from trainer.common.options import Options
from trainer.common.text import list_some
from trainer.light.gpus import GIVEN, HIDDEN, VISIBLE

# KFP names a pod's volume after its claim, and Kubernetes allows volumes no dot.
CLAIM = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
PART = "[a-z0-9]+((\\.|_{1,2}|-+)[a-z0-9]+)*"  # of an image's name
IMAGE = re.compile(
    rf"(([A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\])(:[0-9]+)?/)?{PART}(/{PART})*"  # registry and name
    r"(:[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(@[a-z0-9]+:[0-9a-f]{32,})?"  # tag and digest
)


def _matching(pattern: re.Pattern[str], expected: str) -> AfterValidator:
    """Checks that text matches a pattern as a whole, which `expected` describes."""

    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"expected {expected}")
        return text

    return AfterValidator(check)


def _as_text(value: Any) -> Any:
    """A number as text: in YAML, 4 is one, and Kubernetes takes it as well."""
    return str(value) if type(value) in (int, float) else value


Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$")]
EnvironmentName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]
AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/[^\s:]+$")]
Text = Annotated[str, BeforeValidator(_as_text)]
Quantity = Annotated[Text, StringConstraints(pattern=r"^[1-9][0-9]*(Ki|Mi|Gi|Ti|K|M|G|T)?$")]
Cpu = Annotated[Text, StringConstraints(pattern=r"^([0-9]+(\.[0-9]+)?|[1-9][0-9]*m)$")]
Image = Annotated[
    str,
    _matching(
        IMAGE,
        "a container image such as registry.example.com/team/iadb-tfx:0.1.0, without spaces and "
        "with lower-case letters before the tag",
    ),
    Field(description="container image of every node"),
]
MetadataSecret = Annotated[
    Name,
    Field(
        description="Secret with the keys host, port, database, user and password of the "
        "PostgreSQL database that holds ML Metadata"
    ),
]
Claim = Annotated[
    str,
    _matching(
        CLAIM,
        "the name of a claim that Kubeflow Pipelines can mount: at most 63 of a-z, 0-9 and -, with "
        "a letter or digit at both ends",
    ),
]
Volumes = Annotated[
    dict[Claim, AbsolutePath],
    Field(description="PersistentVolumeClaims of every node, and their mount paths"),
]
USER = 10001  # and group, of the image and of all pods
# Environment variables that never hold a credential. A credential can have any name, so those of
# other variables have to be in `plain`.
PLAIN = re.compile(
    "LANG|LC_ALL|TZ|TMPDIR|LD_LIBRARY_PATH|MALLOC_ARENA_MAX|PYTHON(PATH|UNBUFFERED|FAULTHANDLER|"
    "HASHSEED)|(OMP|OPENBLAS|MKL|NUMEXPR)_NUM_THREADS|(CUDA|NCCL)_[A-Z0-9_]+|XLA_FLAGS|"
    "NVIDIA_(VISIBLE_DEVICES|DRIVER_CAPABILITIES)|"
    "TF_(CPP|DETERMINISTIC|ENABLE|FORCE|GPU|NUM|XLA)_[A-Z0-9_]+"
)


class Toleration(Options):
    """A taint that a node's pod tolerates."""

    key: str | None = Field(None, description="of the taint; without it, every taint")
    operator: Literal["Equal", "Exists"] = Field("Exists", description="how the taint is matched")
    value: str | None = Field(None, description="of the taint, for Equal")
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = Field(
        None, description="of the taint; without it, every effect"
    )

    @model_validator(mode="after")
    def _value_is_compared(self) -> "Toleration":
        if self.value is not None and self.operator != "Equal":
            raise ValueError("a value requires operator=Equal")
        return self


class SecretKey(Options):
    """A value in a Secret of the namespace."""

    secret: Name = Field(description="name of the Secret")
    key: str = Field(
        pattern=r"^\.?[-_A-Za-z0-9][-._A-Za-z0-9]*$",
        max_length=253,
        description="key in the Secret",
    )


class NodeOptions(Options):
    """Resources and environment of a node's pod."""

    cpu: Cpu | None = Field(None, description="limit and request, for example 4 or 500m")
    memory: Quantity | None = Field(None, description="limit and request, for example 16Gi")
    gpu: int = Field(0, ge=0, description="number of GPUs; without any, CUDA is hidden")
    gpu_type: str = Field(
        "nvidia.com/gpu", min_length=1, description="resource name of GPUs on the cluster"
    )
    node_selector: dict[str, str] = Field(
        default_factory=dict, description="labels that the machine must have"
    )
    tolerations: tuple[Toleration, ...] = Field((), description="taints that the pod tolerates")
    shared_memory: Quantity | None = Field(
        None, description="size of /dev/shm, for example 2Gi; it counts as memory"
    )
    volumes: dict[Claim, AbsolutePath] = Field(
        default_factory=dict, description="further PersistentVolumeClaims of this node"
    )
    secrets: dict[EnvironmentName, SecretKey] = Field(
        default_factory=dict, description="environment variables whose values are in Secrets"
    )
    env: dict[EnvironmentName, str] = Field(
        default_factory=dict,
        description="other environment variables; unless their names are well known, they have to "
        "be in `plain` as well",
    )
    retries: int = Field(2, ge=0, description="how often a failed pod is retried")
    retry_backoff_seconds: int = Field(
        30, ge=1, description="wait before the first retry; doubles with each"
    )
    timeout_seconds: int | None = Field(
        None, ge=1, description="after which the pod is terminated; default: never"
    )

    @property
    def variables(self) -> dict[str, str]:
        """The environment: how many GPUs a node has; CUDA is hidden from one without."""
        own = {GIVEN: str(self.gpu)} if self.gpu else {VISIBLE: HIDDEN}
        return own | self.env


class KubeflowOptions(Options):
    """A pipeline on Kubeflow Pipelines."""

    image: Image
    image_pull_secrets: tuple[Name, ...] = Field((), description="Secrets for pulling the image")
    metadata_secret: MetadataSecret
    volumes: Volumes = Field(default_factory=dict)
    plain: tuple[EnvironmentName, ...] = Field(
        (), description="names of variables in `env` whose values are no secrets"
    )
    default: NodeOptions = Field(NodeOptions(), description="options of every node")
    nodes: dict[str, NodeOptions] = Field(
        default_factory=dict,
        description="options of single nodes, by node id; each key replaces the default's",
    )

    @model_validator(mode="after")
    def _mount_paths_differ(self) -> "KubeflowOptions":
        for section, node in self._sections.items():
            paths = Counter((self.volumes | node.volumes).values())
            if twice := [path for path, count in paths.items() if count > 1]:
                where = f"{section}.volumes" if node.volumes else "volumes"
                raise ValueError(f"{where}: two claims on {twice[0]}; each needs a path of its own")
        return self

    @model_validator(mode="after")
    def _no_credentials(self) -> "KubeflowOptions":
        for section, node in self._sections.items():
            unknown = sorted(n for n in node.env if n not in self.plain and not PLAIN.fullmatch(n))
            if unknown:
                raise ValueError(
                    f"{section}.env: {list_some(unknown)} may be a credential, which anyone could "
                    "read in the package: use `secrets`, with the name of a Secret, or add the "
                    "name to kubeflow.plain if it is none"
                )
        return self

    @property
    def _sections(self) -> dict[str, NodeOptions]:
        return {"default": self.default} | {f"nodes.{k}": v for k, v in self.nodes.items()}

    def of_node(self, node_id: str) -> NodeOptions:
        """The options of a node: the default, updated by its own."""
        own = self.nodes.get(node_id, NodeOptions())
        return self.default.model_copy(update={k: getattr(own, k) for k in own.model_fields_set})
