"""A Kubeflow Pipelines API on loopback, and a small package to run on it."""

import pytest


@pytest.fixture(scope="session")
def package_file(tmp_path_factory):
    """A package with two tasks, and the inputs `steps` (default 1000) and `data_folder`.

    It has two documents, as every package with options of Kubernetes.
    """
    from kfp import compiler, dsl, kubernetes

    @dsl.container_component
    def node(steps: int, data_folder: str):
        return dsl.ContainerSpec(image="iadb", command=["train"], args=[steps, data_folder])

    @dsl.pipeline(name="small")
    def small(data_folder: str, steps: int = 1000):
        first = node(steps=steps, data_folder=data_folder).set_display_name("ImageExampleGen")
        kubernetes.set_image_pull_policy(first, "Always")
        node(steps=steps, data_folder=data_folder).after(first).set_display_name("Trainer")

    path = tmp_path_factory.mktemp("package") / "small.yaml"
    compiler.Compiler().compile(small, str(path))
    return path


@pytest.fixture
def package(package_file):
    from pipeline.cluster.package import read_package

    return read_package(package_file)


@pytest.fixture
def stand_in(monkeypatch, tmp_path):
    """The API; at the end, all requests were valid."""
    import kfp
    from kfp_stand_in import KfpStandIn

    context = tmp_path / "kfp" / "context.json"  # where KFP's client stores a namespace
    monkeypatch.setattr(kfp.Client, "_LOCAL_KFP_CONTEXT", str(context))
    for name in ("ENDPOINT", "NAMESPACE", "TOKEN", "TIMEZONE"):
        monkeypatch.delenv(f"IADB_KFP_{name}", raising=False)
    monkeypatch.delenv("KF_PIPELINES_ENDPOINT", raising=False)
    monkeypatch.delenv("KF_PIPELINES_UI_ENDPOINT", raising=False)
    monkeypatch.setattr("pipeline.cluster.client.POLL_SECONDS", 0.01)
    server = KfpStandIn()
    yield server
    server.close()
    assert server.wrong_requests == []
    assert not context.exists()
