"""What a training runs on: the cores and GPUs that a configuration is chosen for."""

import contextlib
import io
import warnings
from dataclasses import dataclass

from components.image_trainer import names as trainer_names
from pipeline.runners.kubeflow.config import KubeflowConfig
from trainer.light import cpu, gpus

CLUSTER_CORES = 2  # those of its nodes are not known; the lengths of trainings are meant for 2


@dataclass(frozen=True)
class Machine:
    """What computes.

    Attributes:
        cores: number of CPU cores; the threads of one count once where all of them can be used.
        gpus: number of GPUs that TensorFlow can use, those of all workers.
        bfloat16: whether the CPU multiplies numbers of this type; others are slower with it.
        idle_gpus: number of further GPUs, on which TensorFlow cannot compute for want of libraries.
        workers: number of pods that share a training.
    """

    cores: int
    gpus: int
    bfloat16: bool = False
    idle_gpus: int = 0
    workers: int = 1

    @property
    def replicas(self) -> int:
        """How many share a batch: the GPUs, or without any the workers."""
        return self.gpus or self.workers


def this_machine() -> Machine:
    """The cores and GPUs that this process may use; a container may have a share of the cores."""
    visible = gpus.find()
    found = len(visible.split(",")) if visible else 0
    usable = found if found and gpus.has_libraries() else 0
    return Machine(_count_cores(), usable, cpu.multiplies("bfloat16"), found - usable)


def cluster_machine(kubeflow: KubeflowConfig) -> Machine:
    """What trains on a cluster, as far as its options tell: any CPU, or the GPUs asked for."""
    trainer = kubeflow.nodes.get(trainer_names.NODE)
    own = trainer is not None and "gpu" in trainer.model_fields_set
    workers = kubeflow.train_workers
    gpus = workers * (trainer.gpu if own else kubeflow.gpu)
    return Machine(CLUSTER_CORES, gpus, workers=workers)


def _count_cores() -> int:
    from joblib import cpu_count

    # Where it cannot tell cores from threads, for want of lscpu, it says so at length.
    with warnings.catch_warnings(), contextlib.redirect_stderr(io.StringIO()):
        warnings.simplefilter("ignore")
        return cpu_count(only_physical_cores=True)
