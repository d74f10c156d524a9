"""Translations of the held-out images of the run that trained a model."""

from typing import Any

import numpy as np

from pipeline.registry import lineage
from pipeline.registry.models import load_models
from pipeline.registry.serving import is_copy
from pipeline.translation.files import source_of
from pipeline.workspace import Workspace
from trainer import examples
from trainer.common import exit_codes
from trainer.common.progress import Report, phase, report
from trainer.common.remote_path import AnyPath
from trainer.common.text import printable
from trainer.ode.choice import Choice
from trainer.serving.stored_model import StoredModel
from trainer.source.options import Source

DRAWING = "drawing"  # the phase
BATCH = 64


class NoHeldOutImagesError(RuntimeError):
    """The held-out images of the run that trained a model are not there."""

    exit_code = exit_codes.USAGE


def draw_rows(
    workspace: Workspace,
    model: StoredModel,
    count: int,
    seed: int,
    nb_step: int | None,
    label: str | None,
    choice: Choice | None = None,
) -> np.ndarray:
    """Translates the first held-out images.

    Args:
        workspace: of the run that trained the model.
        model: that translates.
        count: number of images, if as many were held out.
        seed: of the first answer; those of the others follow.
        nb_step: solver steps; those of the model if None.
        label: of all images, for a conditional model; empty for any, None for their own.
        choice: how the ODE is solved; None as the model was exported.

    Returns:
        Source without its mask, result and image, uint8 [N, 3, H, W, C]; of sources that are not
        paired with images [N, 2, H, W, C], without the image.

    Raises:
        NoHeldOutImagesError: the workspace has no record of the model, or no images any more.
        ModelArgumentError: nb_step exceeds the limits of the model.
    """
    source = source_of(model)
    steps, size = model.within_limits(nb_step, BATCH)
    split = examples.EVAL if source.paired else examples.SOURCE_EVAL
    files = _find_examples(workspace, model.folder, split)
    model.load()
    images, labels, sources = _read(files, count, source)
    report(Report(DRAWING, expected=len(images)))
    rows = []
    for start in range(0, len(images), size):
        part, before = images[start : start + size], sources[start : start + size]
        with phase(DRAWING):
            asked = [own if label is None else label for own in labels[start : start + size]]
            results = model.call(
                "translate",
                {
                    "source": before,
                    "seed": range(seed + start, seed + start + len(part)),
                    "nb_step": steps,
                    "label": [each if each in model.labels else "" for each in asked],
                },
                choice,
            )
            shown = [before[..., : part.shape[-1]], results, *([part] if source.paired else [])]
            rows.append(np.stack(shown, axis=1))
            report(Report(DRAWING, done=len(part)))
    return np.concatenate(rows)


def _find_examples(workspace: Workspace, model: AnyPath, split: str) -> list[str]:
    """The files of a split of the run that trained a model."""
    missing = NoHeldOutImagesError(
        f"{model} translates images, and those held out by the run that trained it are not in "
        f"{printable(str(workspace.folder))}; translate files: `iadb translate FILES`"
    )
    if not workspace.metadata.exists():
        raise missing
    store = lineage.connect(workspace.metadata)
    for each in load_models(store, workspace.serving):
        versions = [workspace.serving / str(version) for version in each.versions]
        if any(_is_copy(model, folder) for folder in (each.folder, *versions)):
            found = store.get_artifacts_by_id([each.examples] if each.examples else [])
            places = [lineage.place_of(artifact, workspace.artifacts) for artifact in found]
            folders = [place / f"Split-{split}" for place in places]
            if files := [str(file) for folder in folders for file in sorted(folder.glob("*"))]:
                return files
    raise missing


def _is_copy(model: AnyPath, folder: AnyPath) -> bool:
    try:
        return is_copy(model, folder)
    except OSError:  # retention removed one, or it has no fingerprint
        return False


def _read(files: list[str], count: int, source: Source) -> tuple[np.ndarray, list[str], np.ndarray]:
    """The first images, uint8 [N, H, W, C], their labels, and their sources, uint8 [N, H, W, S].

    Without pairs the files are of sources, in place of the images too.
    """
    import tensorflow as tf

    from trainer.source.degrade import degrade

    images, labels, sources = [], [], []
    for record in tf.data.TFRecordDataset(files, "GZIP").take(count):
        feature = tf.train.Example.FromString(record.numpy()).features.feature
        images.append(_decode(feature[examples.IMAGE]))
        label = feature[examples.LABEL].bytes_list.value[0] if source.paired else b""
        labels.append(label.decode())
        if source.degradation is None and source.paired:
            sources.append(_decode(feature[examples.SOURCE]))
    found = np.stack(images)
    if not source.paired:
        return found, labels, found
    if source.degradation is None:
        return found, labels, np.stack(sources)
    return found, labels, degrade(tf.constant(found), source.degradation).numpy()


def _decode(feature: Any) -> np.ndarray:
    import tensorflow as tf

    return tf.io.decode_png(feature.bytes_list.value[0]).numpy()
