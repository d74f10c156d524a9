import pytest
from stand_in_cluster import Cluster

from components.image_trainer import tfjob
from components.image_trainer.job_options import JobOptions


@pytest.fixture
def cluster(tmp_path, monkeypatch):
    """A cluster on loopback, which KUBECONFIG refers to."""
    made = Cluster(tmp_path)
    monkeypatch.setenv("KUBECONFIG", str(made.kubeconfig))
    monkeypatch.setattr(tfjob, "POLL_SECONDS", 0.05)
    yield made
    made.close()


@pytest.fixture
def job_options():
    """Two workers."""
    return JobOptions(workers=2, template={"spec": {"containers": [{"image": "iadb-tfx"}]}})
