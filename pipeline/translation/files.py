"""Translates image files."""

import errno
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from components.image_example_gen.errors import RejectedImage
from pipeline.failures import WORKSPACE_ERRNO, OutputError
from pipeline.translation.requests import to_request
from trainer.common import exit_codes, xmp
from trainer.common.files import atomic_write
from trainer.common.progress import Report, phase, report
from trainer.common.text import first_line, printable, quantity, shorten
from trainer.serving.stored_model import ModelArgumentError, StoredModel
from trainer.source.options import Source

TRANSLATING = "translating"  # the phase
OF_ONE_FILE = {errno.ENAMETOOLONG, errno.EISDIR}  # errors in writing after which others may succeed
REQUEST_BYTES = 64 << 20  # of the copies of a file in one request, or one copy
ROW = re.compile(r"^image_bytes, row (\d+): ")  # in the error of a model


class NotATranslatorError(ValueError):
    """A model that draws from noise alone, where one that translates is needed."""

    exit_code = exit_codes.USAGE


class TranslationError(ValueError):
    """Files that cannot be translated."""

    exit_code = exit_codes.USAGE


class UnreadableImageError(ValueError):
    """Some or all of the files could not be translated; the others were."""

    exit_code = exit_codes.DATA


def source_of(model: StoredModel) -> Source:
    """What a model translates.

    Raises:
        NotATranslatorError: it draws from noise alone.
    """
    if not model.about.source:
        raise NotATranslatorError(
            f"{model} draws images from noise and translates none; train a model with "
            "data.source or data.degrade, for example --set 'data.degrade=downscale 4'"
        )
    return model.about.source


def plan_outputs(files: Sequence[Path], output: Path, answers: int) -> dict[Path, list[Path]]:
    """Names the files to write for each file, NAME.png, or NAME-1.png and so on for more answers.

    Raises:
        TranslationError: two files would be written to one name, or a file would be replaced that
            is no result of an earlier call.
    """
    planned: dict[Path, list[Path]] = {}
    taken: dict[Path, Path] = {}
    # Path.resolve raises a RuntimeError on a link to itself.
    inputs = {os.path.realpath(file) for file in files}
    for file in dict.fromkeys(files):
        ends = [""] if answers == 1 else [f"-{number}" for number in range(1, answers + 1)]
        planned[file] = [output / f"{file.stem}{end}.png" for end in ends]
        for path in planned[file]:
            if os.path.realpath(path) in inputs:
                raise TranslationError(
                    f"{printable(str(path))} would be replaced by a translation; name another "
                    "folder with -o"
                )
            if os.path.isfile(path) and (reason := xmp.why_kept(path)):
                raise TranslationError(
                    f"{printable(str(path))} is there already and {reason}; name another folder "
                    "with -o"
                )
            if path in taken:
                raise TranslationError(
                    f"{printable(str(taken[path]))} and {printable(str(file))} would both be "
                    f"translated to {printable(path.name)}; translate them into different folders"
                )
            taken[path] = file
    return planned


def translate_files(
    model: StoredModel,
    planned: dict[Path, list[Path]],
    seed: int | None,
    label: str,
    warn: Callable[[str], None],
) -> int:
    """Translates files, one after another, and writes PNG files.

    Args:
        model: that translates.
        planned: as of `plan_outputs`; their folders are made before the model is loaded.
        seed: of the first answer to each file, 0 if None; those of the others follow.
        label: of all images, for a conditional model; empty for none.
        warn: receives a line about each file that cannot be translated.

    Returns:
        The number of files translated.

    Raises:
        NotATranslatorError: the model draws from noise alone.
        ModelArgumentError: the model does not know the label.
        TranslationError: more answers are asked for than the model gives, or a seed where it
            gives one.
        OutputError: a folder cannot be made, for another reason than the disk and permissions.
        UnreadableImageError: some files cannot be translated; all others were.
    """
    label = model.known_label(label)
    answers = max((len(paths) for paths in planned.values()), default=0)
    _check_answers(model, answers, seed)
    for folder in {path.parent for paths in planned.values() for path in paths}:
        _make(folder)
    model.load()
    bad = 0
    report(Report(TRANSLATING, expected=len(planned)))
    for file, paths in planned.items():
        with phase(TRANSLATING):
            problem = _translate(model, file, paths, seed or 0, label)
            if problem:
                bad += 1
                warn(f"{printable(str(file))}: {problem}")
            report(Report(TRANSLATING, done=1))
    if bad:
        rest = "; the others were" if bad < len(planned) else ""
        raise UnreadableImageError(
            f"{quantity(bad, 'file')} of {len(planned):,} could not be translated{rest}"
        )
    return len(planned)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in WORKSPACE_ERRNO:
            raise
        place = printable(str(folder))
        raise OutputError(f"{place} cannot be created: {error.strerror}") from None


def _translate(
    model: StoredModel, file: Path, paths: Sequence[Path], seed: int, label: str
) -> str | None:
    """Writes the answers to a file; returns why that is impossible, in a few words."""
    try:
        content = to_request(file.read_bytes(), model.shape)
        size = max(1, REQUEST_BYTES // len(content))  # rows, each with a copy of the file
        seeds, results = range(seed, seed + len(paths)), []
        for start in range(0, len(seeds), size):
            part = seeds[start : start + size]
            rows = {
                "image_bytes": [content] * len(part),
                "seed": part,
                "label": [label] * len(part),
            }
            results.extend(model.call("serving_default", rows))
    except RejectedImage as problem:
        return str(problem)
    except OSError as error:
        return error.strerror or first_line(error)
    except ModelArgumentError as error:
        return ROW.sub("", str(error))
    try:
        for path, result in zip(paths, results, strict=True):
            with atomic_write(path) as partial:
                partial.write_bytes(result)
    except OSError as error:
        if error.errno in OF_ONE_FILE:
            return f"cannot write {shorten(printable(path.name))}: {error.strerror}"
        raise
    return None


def _check_answers(model: StoredModel, answers: int, seed: int | None) -> None:
    source = source_of(model)
    given = {"--answers": answers > 1, "--seed": seed is not None}
    if any(given.values()) and not source.draws_noise:
        options = " and ".join(option for option, is_given in given.items() if is_given)
        raise TranslationError(
            f"{options}: this model maps a source to one answer (model.source=map)"
        )
    limit = model.about.limits.images
    if answers > limit:
        raise TranslationError(
            f"--answers {answers}: the model draws at most {limit} in one request "
            "(sample.limits.images)"
        )
