"""Removes what a workspace no longer needs, so that it does not grow with every run.

Everything later runs depend on is kept (kept_artifacts.py), and the newest of everything else. An
artifact is marked as deleted in ML Metadata before its files are removed: a process killed in
between leaves nothing that TFX considers usable, and the next one removes what is marked. The
records are kept, and with them metrics, verdicts and lineage.

What can be removed is found in the workspace itself; ML Metadata only decides what of it is kept.
Imports neither TFX nor TensorFlow.
"""

import contextlib
import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from ml_metadata import MetadataStore
from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.atomic_pusher import versions
from pipeline.registry import lineage
from pipeline.registry.kept_artifacts import kept_artifacts
from pipeline.registry.models import RegisteredModel, load_models, withdrawn_teacher
from pipeline.registry.options import RetentionOptions
from pipeline.workspace import Workspace
from trainer.common.files import PARTS
from trainer.common.remote_path import AnyPath, RemotePath, list_files, remove_tree

_SYSTEM = ".system"  # below the folder of a node: TFX's own files, unused after the run
_TRAINING = re.compile("[0-9a-f]{16}")  # a folder of checkpoints (trainer/run_fn.py)


class RemovalKind(StrEnum):
    """What can be removed."""

    VERSION = "version"
    ARTIFACT = "artifact"
    CHECKPOINT = "checkpoint"
    REPORT = "report"
    LOG = "log"
    REMNANT = "remnant"  # of a killed run, push or removal


@dataclass(frozen=True)
class Removal:
    """A file or folder to remove.

    Attributes:
        kind: what it is.
        path: where it is.
        size: of all its files, in bytes.
    """

    kind: RemovalKind
    path: AnyPath
    size: int


def clean(
    workspace: Workspace, options: RetentionOptions, *, dry_run: bool = False
) -> list[Removal]:
    """Removes what is not to be kept.

    If it is killed, calling it again removes the rest.

    Args:
        workspace: that no run uses.
        options: how much is kept.
        dry_run: remove nothing and only return what would be removed.

    Returns:
        What was removed; nothing for a workspace without runs.

    Raises:
        WorkspaceError: the workspace is in use, read-only or full, or its metadata database is
            missing or empty, beside artifacts.
        OSError: a file cannot be removed.
    """
    if not workspace.metadata.exists():
        lineage.check_not_lost(workspace.metadata)
        return []
    with workspace.locked():
        store = lineage.connect(workspace.metadata)
        models = load_models(store, workspace.serving)
        surplus = _surplus_versions(models, options.versions)
        served = [model.number for model in models if set(model.versions) - surplus]
        kept = kept_artifacts(store, models, served, options.runs)
        found = {
            RemovalKind.VERSION: [workspace.serving / str(each) for each in sorted(surplus)],
            RemovalKind.REMNANT: _remnants(workspace),
            RemovalKind.CHECKPOINT: _older(
                _named(workspace.checkpoints, _TRAINING), options.checkpoints
            ),
            RemovalKind.REPORT: _lower(workspace.reports.glob("[0-9]*.html"), options.reports),
            RemovalKind.LOG: [
                *_lower(workspace.logs.glob("[0-9]*.log"), options.logs),
                *_lower(workspace.logs.glob("[0-9]*.jsonl"), options.logs),
                *_older(workspace.access_logs.glob("access-*.log*"), options.logs),
                *_lower(workspace.results.glob("*.json"), options.logs),
            ],
        }
        removals = [_removal(kind, path) for kind, paths in found.items() for path in paths]
        # Artifacts come last: on a full disk, marking them needs the space that the others free.
        unkept = _unkept_folders(store, kept, workspace)
        in_artifacts = [_removal(RemovalKind.ARTIFACT, folder) for folder in unkept]
        if not dry_run:
            errors = _remove(removals)
            _mark_deleted(store, in_artifacts, workspace)
            errors += _remove(in_artifacts)
            if errors:
                raise errors[0]
    return [*removals, *in_artifacts]


def _surplus_versions(models: Sequence[RegisteredModel], keep: int | None) -> set[int]:
    """The versions that are neither live nor needed for a rollback."""
    if keep is None:
        return set()
    known = {version for model in models for version in model.versions}
    targets = sorted(
        model.versions[-1]
        for model in models
        if model.versions and not (model.withdrawn or withdrawn_teacher(model, models))
    )
    live = {model.versions[-1] for model in models if model.live}
    return known - live - set(targets[-keep:])


def _unkept_folders(
    store: MetadataStore, kept: Collection[int], workspace: Workspace
) -> Iterator[AnyPath]:
    """The folders of artifacts that are not kept, and of executions that were killed.

    Folders unknown to ML Metadata are left alone.
    """
    artifacts = store.get_artifacts()
    known = {lineage.place_of(artifact, workspace.artifacts) for artifact in artifacts}
    live = filter(_is_live, artifacts)
    stay = {lineage.place_of(a, workspace.artifacts) for a in live if a.id in kept}
    executions = {str(execution.id) for execution in store.get_executions()}
    for node in _folders(workspace.artifacts):
        for key in _folders(node):
            for folder in _folders(key) if key.name != _SYSTEM else ():
                if folder not in stay and (folder in known or folder.name in executions):
                    yield folder


def _is_live(artifact: mlmd.Artifact) -> bool:
    return artifact.state == mlmd.Artifact.LIVE


def _mark_deleted(store: MetadataStore, removals: Iterable[Removal], workspace: Workspace) -> None:
    folders = {removal.path for removal in removals}
    artifacts = [
        artifact
        for artifact in store.get_artifacts()
        if _is_live(artifact) and lineage.place_of(artifact, workspace.artifacts) in folders
    ]
    for artifact in artifacts:
        artifact.state = mlmd.Artifact.DELETED
    store.put_artifacts(artifacts)


def _remnants(workspace: Workspace) -> Iterator[AnyPath]:
    """What killed processes left behind, and TFX's own files of runs that have ended."""
    yield from versions.partial_versions(workspace.serving)
    if not isinstance(workspace.folder, RemotePath):  # whose files are written whole
        for folder in (workspace.folder, workspace.reports, workspace.results):
            yield from folder.glob(PARTS)
    for node in _folders(workspace.artifacts):
        for kind in _folders(node / _SYSTEM):
            yield from _folders(kind)


def _named(folder: AnyPath, name: re.Pattern[str]) -> list[AnyPath]:
    return [each for each in _folders(folder) if name.fullmatch(each.name)]


def _folders(folder: AnyPath) -> list[AnyPath]:
    """The folders in a folder, by name."""
    children = sorted(folder.iterdir()) if folder.is_dir() else []
    return [child for child in children if _is_folder(child)]


def _is_folder(path: AnyPath) -> bool:
    """Whether it is a folder and no link."""
    return path.is_dir() and not path.is_symlink()


def _older(paths: Iterable[AnyPath], keep: int | None) -> list[AnyPath]:
    """All but those written last."""
    return [] if keep is None else sorted(paths, key=_written, reverse=True)[keep:]


def _lower(paths: Iterable[AnyPath], keep: int | None) -> list[AnyPath]:
    """All but those with the highest numbers or times as names, which a copy does not change."""
    return [] if keep is None else sorted(paths, key=_numbers, reverse=True)[keep:]


def _numbers(path: AnyPath) -> list[int]:
    return [int(digits) for digits in re.findall("[0-9]+", path.name)]


def _written(path: AnyPath) -> float:
    """When a file, or any file in a folder, was last written."""
    return max((found.st_mtime for found in _stat_files(path)), default=0.0)


def _stat_files(path: AnyPath) -> Iterator[Any]:
    """The status of a file, or of all files in a folder, without following links."""
    if _is_folder(path):
        yield from (file.lstat() for file in list_files(path))
    else:
        with contextlib.suppress(FileNotFoundError):  # a server moves its logs at any time
            yield path.lstat()


def _removal(kind: RemovalKind, path: AnyPath) -> Removal:
    # Shards that examples of several runs share have several names; removing one frees nothing.
    return Removal(kind, path, sum(s.st_size for s in _stat_files(path) if s.st_nlink < 2))


def _remove(removals: Iterable[Removal]) -> list[OSError]:
    """Removes all that can be removed; returns the errors of the others."""
    errors = []
    for removal in removals:
        try:
            if removal.kind is RemovalKind.VERSION:
                versions.remove(removal.path)
            elif _is_folder(removal.path):
                remove_tree(removal.path)
            else:
                with contextlib.suppress(FileNotFoundError):
                    removal.path.unlink()
        except OSError as error:
            errors.append(error)
    return errors
