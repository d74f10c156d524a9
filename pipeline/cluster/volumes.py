"""The volumes of the pods on Kubeflow: which folders they do not bring to the pods."""

from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from components.image_example_gen import names as example_names
from components.image_example_gen.folders.storage import is_remote
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.values import FOLDERS
from pipeline.runners.kubeflow.config import KubeflowConfig
from trainer.common.text import printable


def warn_of_unmounted(config: PipelineConfig, report: Callable[[str], None]) -> None:
    """Names the local folders of a configuration that are on no volume of the pods that use them.

    Args:
        config: of the pipeline.
        report: is called with each line.
    """
    options = config.kubeflow
    everywhere = options.volumes | options.default.volumes
    if not is_remote(options.root) and not _is_below(options.root, everywhere):
        report(
            f"kubeflow.root={printable(options.root)} is on none of kubeflow.volumes: files "
            "there are lost when the pod ends"
        )
    for key in FOLDERS:
        warn_of_unmounted_images(f"data.{key}", getattr(config.data, key), options, report)


def warn_of_unmounted_images(
    key: str, folder: str | None, options: KubeflowConfig, report: Callable[[str], None]
) -> None:
    """Names a folder of images that is on no volume of the pod that reads images.

    Args:
        key: that sets the folder.
        folder: local, or a URI, which needs no volume; None if it is not set.
        options: of the pods.
        report: is called with the line.
    """
    if not folder or is_remote(folder):
        return
    if not _is_below(folder, options.volumes | options.of_node(example_names.NODE).volumes):
        report(
            f"{key}={printable(folder)} is on none of kubeflow.volumes: the pod sees only what "
            "the container image has there"
        )


def _is_below(folder: str, volumes: Mapping[str, str]) -> bool:
    return any(PurePosixPath(folder).is_relative_to(path) for path in volumes.values())
