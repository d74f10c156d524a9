"""Runs the compiled pipeline twice in real containers, one per task; the second run is cached.

    python -m tests.kubeflow_e2e IMAGE

KFP's own local runner starts each task's container with Docker or podman (DOCKER_HOST). It ignores
the options of kfp-kubernetes, so the Secret, the volume and the pod's name are set here. PostgreSQL
is Debian's, on loopback. Needs root, because the files belong to the image's user.
"""

import os
import sys
import tempfile
from collections import Counter
from pathlib import Path

import docker
from kfp import components, local
from ml_metadata.proto import metadata_store_pb2

from data import digits
from pipeline.cluster.compile import compile_package
from pipeline.config.pipeline_config import load
from pipeline.metadata.database import Database, variable
from pipeline.registry import serving
from tests.pipeline.conftest import NODES, RESOLVERS, TINY
from tests.postgres import Postgres

USER = 10001  # of the image


def main(image: str) -> None:
    """Runs the pipeline of the digits in containers of the image."""
    try:
        docker.from_env().ping()
    except docker.errors.DockerException as error:
        sys.exit(f"no container engine: {error}; start one, or set DOCKER_HOST")
    with tempfile.TemporaryDirectory() as name, Postgres.running() as database:
        run_twice(image, Path(name), database)


def run_twice(image: str, folder: Path, database: Postgres) -> None:
    """Runs the pipeline twice and checks the results."""
    folder.chmod(0o755)
    volume, pipeline_root = folder / "volume", folder / "kubeflow"
    for path in (volume, pipeline_root):
        path.mkdir()
        os.chown(path, USER, USER)
    digits.write(volume / "digits")
    secret = {variable(key): value for key, value in database.secret.items()}
    os.environ.update(secret)
    overrides = [*TINY, "data.folder=/mnt/iadb/digits", f"kubeflow.image={image}"]
    compile_package(load("digits", overrides=overrides), folder / "digits.yaml")
    local.init(
        local.DockerRunner(
            network_mode="host",
            environment={**secret, "POD_NAME": "local", "POD_UID": "local"},
            mounts=[docker.types.Mount("/mnt/iadb", str(volume), type="bind")],
            read_only=True,
            tmpfs={"/tmp": "", "/home/iadb": "mode=1777"},
            cap_drop=["ALL"],
        ),
        pipeline_root=str(pipeline_root),
    )
    pipeline = components.load_component_from_file(str(folder / "digits.yaml"))
    pipeline()
    assert states() == {"COMPLETE": len(NODES)}
    pipeline()
    cached = len(NODES) - len(RESOLVERS)
    assert states() == {"COMPLETE": 2 * len(NODES) - cached, "CACHED": cached}
    model = serving.latest_model(volume / "serving")
    checked = serving.check(model)
    assert checked.returncode == 0, checked.stderr
    count = len(NODES) + 1  # the last task removes what is not kept
    print(f"\n{count} containers ran, {count} more found their results; model {model.name}:")
    print(checked.stdout)


def states() -> Counter[str]:
    """The number of executions in the database by state."""
    executions = Database.of_url().connect().get_executions()
    name = metadata_store_pb2.Execution.State.Name
    return Counter(name(execution.last_known_state) for execution in executions)


if __name__ == "__main__":
    main(*sys.argv[1:])
