"""The report on accepted and rejected files, and when it stops the run."""

import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, NamedTuple

from components.image_example_gen import names, reasons
from components.image_example_gen.errors import ImageDataError, NotHeldError, StorageError
from components.image_example_gen.files import describe_endings, describe_unread, unread
from components.image_example_gen.options import ImageOptions
from trainer.common.text import LINE, quantity, shorten

# Names of counts beside those of the splits.
LEFT_OUT = "left_out"
IN_HOLDOUT = "in_holdout"
NEAR_DUPLICATES = "near_duplicates"  # their counts are:
IMAGES, GROUPS = "images", "groups"
LARGEST = "largest"  # beside them: paths of some images of each of the largest groups
MANY = 0.25  # of the images, from which duplicates, or groups of near-duplicates, are remarked on
MAX_REJECTED_FILES = 10_000  # listed in the report; all are counted
IN_CONFIGURATION = "in data.source"  # where the folder of sources is named
MOSTLY = 0.5  # of the files, that a disk or network failed to read
SHOWN = 3  # files and reasons in an error message


def make_report(
    counts: Mapping[str, int],
    splits: Sequence[str],
    by_reason: Mapping[str, int],
    by_span: Mapping[int, Mapping[str, int]],
    rejected_files: Sequence[tuple[str, str]],
    notes: Mapping[str, int],
    skipped: Mapping[str, int],
    near_duplicates: Mapping[str, Any] | None = None,
) -> dict:
    """Builds the report from the counts.

    Args:
        counts: images by split and by the names above; a missing count is 0.
        splits: names of the splits.
        by_reason: rejected files, by reason.
        by_span: `accepted` and `rejected` files of each span.
        rejected_files: (path, reason), sorted; at most MAX_REJECTED_FILES.
        notes: accepted images by what is unusual about them.
        skipped: files that are not images by their endings, as `files.count_other_files` returns.
        near_duplicates: number of these `images` and of their `groups`, and paths in the `largest`
            ones; None where they were not searched.

    Returns:
        The report. Accepted images are counted in `splits`; as `left_out` of train, because an
        equal image of another group is in eval; or as `in_holdout`, because they, or others of
        their group, are also there. `duplicates` counts images whose pixels equal those of a
        previous one.
    """
    unused = {name: counts.get(name, 0) for name in (LEFT_OUT, IN_HOLDOUT)}
    in_splits = {split: counts.get(split, 0) for split in splits}
    accepted = sum(in_splits.values()) + sum(unused.values())
    rejected = sum(by_reason.values())
    return {
        names.FILES: accepted + rejected,
        names.ACCEPTED: accepted,
        names.DUPLICATES: counts.get(names.DUPLICATES, 0),
        "splits": in_splits,
        **unused,
        names.REJECTED: rejected,
        "reasons": _by_frequency(by_reason),
        "by_span": {str(span): dict(by_span[span]) for span in sorted(by_span)},
        "rejected_files": [list(file) for file in rejected_files],
        "notes": _by_frequency(notes),
        "skipped": _by_frequency(skipped),
        **({NEAR_DUPLICATES: dict(sorted(near_duplicates.items()))} if near_duplicates else {}),
    }


def remarks(report: dict, folder: str = "") -> list[str]:
    """Returns lines about unusual images and skipped files, the most important first.

    With the folder of the artifact, they name the report in it, which lists near-duplicates that a
    training should know of.
    """
    skipped, accepted = report["skipped"], report[names.ACCEPTED]
    lines = describe_unread(skipped)
    near = report.get(NEAR_DUPLICATES, {})
    if folder and near.get(IMAGES):
        lines += _describe_near_duplicates(near, accepted, folder)
    duplicates = report[names.DUPLICATES]
    if duplicates >= MANY * max(accepted, 1):
        different = quantity(accepted - duplicates, "different image")
        lines.append(
            f"{duplicates:,} of {accepted:,} images are duplicates of the {different}, some of "
            "which so count several times"
        )
    if spared := report[IN_HOLDOUT]:
        lines.append(
            f"{spared:,} not trained on, since they, near-duplicates or others of their group are "
            "in data.holdout"
        )
    lines += [f"{n:,} of the accepted images: {note}" for note, n in report["notes"].items()]
    if others := {ending: skipped[ending] for ending in skipped.keys() - unread(skipped).keys()}:
        lines.append(f"ignored: {describe_endings(others)}")
    return lines


def remarks_on_sources(report: dict, folder: str, copies: int) -> list[str]:
    """Returns lines about sources with a report of their own.

    Args:
        report: on the sources.
        folder: of the report.
        copies: the number of sources whose pixels an image has.
    """
    accepted = report[names.ACCEPTED]
    lines = [f"{accepted:,} of {quantity(report[names.FILES], 'file')} accepted"]
    if report[names.REJECTED]:
        lines[0] += f": {os.path.join(folder, names.REJECTED_JSON)}"
    if copies:
        lines.append(f"{copies:,} of {accepted:,} have the pixels of an image")
    return [f"sources: {line}" for line in (*lines, *remarks(report, folder))]


def check_copies(copies: int, report: dict, sources: str, where: str = IN_CONFIGURATION) -> None:
    """Raises an ImageDataError if all sources are images as well.

    Args:
        copies: the number of sources whose pixels their image has, or where they are not paired,
            any image.
        report: on the images, or where they are not paired, on the sources.
        sources: their folder.
        where: another one is to be named.
    """
    if copies == report[names.ACCEPTED]:
        raise ImageDataError(
            f"{sources}: all {copies:,} sources have the pixels of images, so that there is "
            f"nothing to translate; name another folder {where}"
        )


class _Part(NamedTuple):
    """Files that are checked together: what they are, how many, which, and the error they raise."""

    what: str
    files: int
    rejected: int
    belongs: Callable[[str], bool]
    error: Callable[[str], ImageDataError]


def check_report(report: dict, folder: str, options: ImageOptions, newest_folder: str = "") -> None:
    """Raises an ImageDataError if too many files were rejected, or a split is empty.

    The newest span is also checked by itself: it may be damaged entirely and still be a small
    fraction of all files. So are the images of data.holdout, which no span has.

    Args:
        report: as of `make_report`.
        folder: of the images, for the message.
        options: the limits.
        newest_folder: of the newest span, relative to `folder`.

    Raises:
        StorageError: a disk or a network drive failed while the files were read.
    """
    spans = {int(span): Counter(counts) for span, counts in report["by_span"].items()}
    data = sum(spans.values(), Counter())
    of_holdout = report[names.FILES] - data.total(), report[names.REJECTED] - data[names.REJECTED]
    parts = [
        _Part("files", data.total(), data[names.REJECTED], _is_of_data, ImageDataError),
        _Part(
            "files of data.holdout", *of_holdout, lambda path: not _is_of_data(path), NotHeldError
        ),
    ]
    if len(spans) > 1:
        newest = max(spans)
        counts, below = spans[newest], f"{newest_folder}/" if newest_folder else ""
        parts.append(
            _Part(
                f"files of span {newest}, the newest,",
                counts.total(),
                counts[names.REJECTED],
                lambda path: path.startswith(below),
                partial(ImageDataError, span=newest),
            )
        )
    for part in parts:
        _check_rejected(part, report["rejected_files"], folder, options.max_rejected)
    for split, images in report["splits"].items():
        if not images:
            raise NotHeldError(f"{folder}: {_empty_split(split, report, options)}")


def _is_of_data(path: str) -> bool:
    """Whether a file is in data.folder; the paths of others, as of data.holdout, are whole."""
    return not (path.startswith("/") or "://" in path)


def _check_rejected(
    part: _Part, rejected_files: Sequence[tuple[str, str]], folder: str, limit: float
) -> None:
    most = limit * part.files
    listed = [(path, reason) for path, reason in rejected_files if part.belongs(path)]
    by_reason = Counter(reason for _, reason in listed)
    # Where not all are listed, those that are stand for the others.
    failed = part.rejected * by_reason[reasons.NOT_NOW] / max(len(listed), 1)
    # Most of all files are no matter of what a person accepts.
    if failed > MOSTLY * part.files or part.rejected - failed <= most < part.rejected:
        not_read = [path for path, reason in listed if reason == reasons.NOT_NOW]
        raise StorageError(
            f"{folder}: {quantity(round(failed), 'file')} {reasons.NOT_NOW}, such as "
            f"{_first_paths(not_read)}; try again when it responds"
        )
    if part.rejected > most:
        counts = [f"{count} {reason}" for reason, count in _by_frequency(by_reason).items()]
        raise part.error(
            f"{folder}: {part.rejected} of {part.files} {part.what} rejected "
            f"({part.rejected / part.files:.1%}), max_rejected allows {limit:.1%}: "
            f"{_first(counts)}; files: {_first_paths([path for path, _ in listed])}; the log lists "
            "all of them; fix or remove them, or raise max_rejected"
        )


def _empty_split(split: str, report: dict, options: ImageOptions) -> str:
    found = {
        "duplicates": report[names.DUPLICATES],
        "near-duplicates": report.get(NEAR_DUPLICATES, {}).get(IMAGES, 0),
        "in data.holdout, or of a group in it": report[IN_HOLDOUT],
    }
    of_these = ", ".join(f"{what}: {count:,}" for what, count in found.items() if count)
    return (
        f"no image is in the {split} split, of {quantity(report[names.ACCEPTED], 'image')}"
        f"{f' ({of_these})' if of_these else ''}; add other images, or change eval_percent "
        f"{options.eval_percent}, near_duplicates or group_pattern"
    )


def _describe_near_duplicates(counts: Mapping[str, int], accepted: int, folder: str) -> list[str]:
    report = os.path.join(folder, names.REJECTED_JSON)
    lines = [
        f"{counts[IMAGES]:,} near-duplicates in {quantity(counts[GROUPS], 'group')}, of which "
        f"{report} lists some"
    ]
    if counts[IMAGES] > MANY * accepted:
        lines.append(
            "with so many near-duplicates in groups, other kinds of images are held out than are "
            "trained on; if they are no copies of each other, set data.near_duplicates=off"
        )
    return lines


def _by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _first_paths(paths: Sequence[str]) -> str:
    return _first([repr(shorten(path, LINE)) for path in paths])  # escapes control characters


def _first(texts: Sequence[str]) -> str:
    more = [f"{len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    return ", ".join([*texts[:SHOWN], *more])
