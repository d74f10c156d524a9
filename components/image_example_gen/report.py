"""The report on accepted and rejected files, and when it stops the run."""

import functools
import json
import os
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from components.image_example_gen import names
from components.image_example_gen.errors import (
    OF_STORAGE,
    EmptySplitError,
    HoldoutError,
    ImageDataError,
    StorageError,
)
from components.image_example_gen.files import describe_endings, describe_unread, unread
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.pairs.decoding import SAME_PIXELS
from trainer import examples
from trainer.common.text import LINE, quantity, shorten

# Names of counts beside those of the splits.
LEFT_OUT = "left_out"
IN_HOLDOUT = "in_holdout"
NEAR_DUPLICATES = "near_duplicates"  # their counts are:
IMAGES, GROUPS, SEPARATED = "images", "groups", "separated"
MANY_NEAR_DUPLICATES = 0.25  # of the images; grouping them is not meant for so many
# What many duplicates lead to.
SEEN = (
    "which are seen, and count in the verdict, more often than planned: remove them, or see that "
    "train.augment is 0.15"
)
COMPARED = "some of which count several times in what is compared: remove them"
MANY_DUPLICATES = 0.25  # of the images, from which the others are seen much more often than planned
MAX_REJECTED_FILES = 10_000  # listed in the report; all are counted
IN_CONFIGURATION = "in data.source"  # where the folder of sources is named
MOSTLY = 0.5  # of the files, that a disk or network failed to read
SHOWN = 3  # files and reasons in an error message


def make_report(
    counts: Mapping[str, int],
    splits: Sequence[str],
    reasons: Mapping[str, int],
    by_span: Mapping[int, Mapping[str, int]],
    rejected_files: Sequence[tuple[str, str]],
    notes: Mapping[str, int],
    skipped: Mapping[str, int],
    near_duplicates: Mapping[str, int] | None = None,
) -> dict:
    """Builds the report from the counts.

    Args:
        counts: images by split and by the names above; a missing count is 0.
        splits: names of the splits.
        reasons: rejected files by reason.
        by_span: `accepted` and `rejected` files of each span.
        rejected_files: (path, reason), sorted; at most MAX_REJECTED_FILES.
        notes: accepted images by what is unusual about them.
        skipped: files that are not images by their endings, as `files.count_other_files` returns.
        near_duplicates: number of these `images` and of their `groups`, and where they are only
            counted, of those `separated` from their group; None where they were not searched.

    Returns:
        The report. Accepted images are counted in `splits`; as `left_out` of train, because an
        equal image of another group is in eval; or as `in_holdout`, because they, or others of
        their group, are also there. `duplicates` counts images whose pixels equal those of a
        previous one.
    """
    unused = {name: counts.get(name, 0) for name in (LEFT_OUT, IN_HOLDOUT)}
    in_splits = {split: counts.get(split, 0) for split in splits}
    accepted = sum(in_splits.values()) + sum(unused.values())
    rejected = sum(reasons.values())
    return {
        names.FILES: accepted + rejected,
        names.ACCEPTED: accepted,
        names.DUPLICATES: counts.get(names.DUPLICATES, 0),
        "splits": in_splits,
        **unused,
        names.REJECTED: rejected,
        "reasons": _by_frequency(reasons),
        "by_span": {str(span): dict(by_span[span]) for span in sorted(by_span)},
        "rejected_files": [list(file) for file in rejected_files],
        "notes": _by_frequency(notes),
        "skipped": _by_frequency(skipped),
        **({NEAR_DUPLICATES: dict(sorted(near_duplicates.items()))} if near_duplicates else {}),
    }


def remarks(
    report: dict, folder: str = "", *, near_duplicates: bool = True, duplicates: str = ""
) -> list[str]:
    """Returns lines about unusual images and skipped files, the most important first.

    With the folder of the artifact, they name the page of near-duplicates in it, which a training
    should know of. `duplicates` says what many of them lead to: SEEN or COMPARED; empty: nothing.
    """
    skipped = report["skipped"]
    others = {ending: skipped[ending] for ending in skipped.keys() - unread(skipped).keys()}
    lines = describe_unread(skipped)
    counts = report.get(NEAR_DUPLICATES, {})
    if near_duplicates and (near := _describe_near_duplicates(counts)):
        page = os.path.join(folder, names.NEAR_DUPLICATES_HTML)
        lines.append(f"{near}: {page}" if folder else near)
        lines += _warn_of_grouping(counts, report[names.ACCEPTED])
    if duplicates:
        lines += _describe_duplicates(report, duplicates)
    if spared := report[IN_HOLDOUT]:
        lines.append(
            f"{spared:,} not trained on, since they, near-duplicates or others of their group are "
            "in data.holdout"
        )
    lines += [f"{n:,} of the accepted images: {note}" for note, n in report["notes"].items()]
    if others:
        lines.append(f"ignored: {describe_endings(others)}")
    return lines


def remarks_on_sources(report: dict, folder: str, copies: int) -> list[str]:
    """Returns lines about sources with a report of their own.

    Args:
        report: on the sources.
        folder: of the report.
        copies: the number of sources whose pixels an image has.
    """
    lines = [f"{report[names.ACCEPTED]:,} of {quantity(report[names.FILES], 'file')} accepted"]
    if report[names.REJECTED]:
        lines[0] += f": {os.path.join(folder, names.REJECTED_JSON)}"
    if copies:
        lines.append(f"{copies:,} of {report[names.ACCEPTED]:,} have the pixels of an image")
    return [f"sources: {line}" for line in (*lines, *remarks(report, folder))]


def to_json(report: dict) -> str:
    """Returns the report as JSON in ASCII, which escapes control characters in file names."""
    return json.dumps(report, indent=1)


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
    spans = report["by_span"]
    files = sum(sum(counts.values()) for counts in spans.values())
    rejected = sum(counts[names.REJECTED] for counts in spans.values())
    others = report[names.REJECTED] - rejected
    check = functools.partial(_check_rejected, folder=folder, options=options)
    check(rejected, files, "files", _of(report, rejected, lambda path: not _is_elsewhere(path)))
    try:
        of_holdout = _of(report, others, _is_elsewhere)
        check(others, report[names.FILES] - files, "files of data.holdout", of_holdout)
    except ImageDataError as error:  # no span is at fault
        raise HoldoutError(str(error)) from None
    if len(spans) > 1:
        newest = max(spans, key=int)
        rejected, files = spans[newest][names.REJECTED], sum(spans[newest].values())
        below = f"{newest_folder}/" if newest_folder else ""
        own = _of(report, rejected, lambda path: path.startswith(below))
        what = f"files of span {newest}, the newest,"
        check(rejected, files, what, own, span=int(newest))
    for split, images in report["splits"].items():
        if not images:
            raise EmptySplitError(f"{folder}: {_empty_split(split, report, options)}")


def _is_elsewhere(path: str) -> bool:
    """Whether a file is in another folder than data.folder: those of data.holdout are."""
    return path.startswith("/") or "://" in path


def _of(report: dict, rejected: int, belongs: Callable[[str], bool]) -> dict:
    """The report with the rejected files that belong to a part of all; all if not all are known."""
    own = [file for file in report["rejected_files"] if belongs(file[0])]
    if len(own) < rejected:
        return report
    reasons = _by_frequency(Counter(reason for _, reason in own))
    return {**report, "rejected_files": own, "reasons": reasons}


def check_sources(report: dict, sources: str, where: str = IN_CONFIGURATION) -> None:
    """Raises an ImageDataError if all images are equal to their sources.

    Args:
        report: on the images.
        sources: folder of the sources.
        where: another one is to be named.
    """
    _check_differ(report["notes"].get(SAME_PIXELS, 0), report, sources, "their images", where)


def check_copies(copies: int, report: dict, sources: str, where: str = IN_CONFIGURATION) -> None:
    """Raises an ImageDataError if all sources that are not paired are images as well.

    Args:
        copies: the number of sources whose pixels an image has.
        report: on the sources.
        sources: their folder.
        where: another one is to be named.
    """
    _check_differ(copies, report, sources, "images", where)


def _check_differ(copies: int, report: dict, sources: str, images: str, where: str) -> None:
    if copies == report[names.ACCEPTED]:
        raise ImageDataError(
            f"{sources}: all {copies:,} sources have the pixels of {images}, so that there is "
            f"nothing to translate; name another folder {where}"
        )


def _describe_duplicates(report: dict, consequence: str) -> list[str]:
    accepted, duplicates = report[names.ACCEPTED], report.get(names.DUPLICATES, 0)
    if duplicates < MANY_DUPLICATES * max(accepted, 1):
        return []
    different = quantity(accepted - duplicates, "different image")
    return [
        f"{duplicates:,} of {accepted:,} images are duplicates of the {different}, {consequence}"
    ]


def _describe_near_duplicates(counts: Mapping[str, int]) -> str:
    if not counts.get(IMAGES):
        return ""
    found = f"{counts[IMAGES]:,} near-duplicates in {quantity(counts[GROUPS], 'group')}"
    if separated := counts.get(SEPARATED):
        return f"{found}, {separated:,} of them in another split (data.near_duplicates is warn)"
    return found


def _warn_of_grouping(counts: Mapping[str, int], accepted: int) -> list[str]:
    if SEPARATED in counts or counts.get(IMAGES, 0) <= MANY_NEAR_DUPLICATES * accepted:
        return []
    return [
        "with so many near-duplicates in groups, other kinds of images are held out than are "
        "trained on; if they are no copies of each other, set data.near_duplicates=off"
    ]


def _by_frequency(counts: Mapping[str, int]) -> dict[str, int]:
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _check_rejected(
    rejected: int,
    files: int,
    what: str,
    report: dict,
    *,
    folder: str,
    options: ImageOptions,
    span: int | None = None,
) -> None:
    most = options.max_rejected * files
    reasons = [f"{count} {reason}" for reason, count in report["reasons"].items()]
    failed = {
        reason: count
        for reason, count in report["reasons"].items()
        if any(reason.endswith(f"({each})") for each in OF_STORAGE)
    }
    # Most of all files are no matter of what a person accepts.
    is_down = min(sum(failed.values()), rejected) > MOSTLY * files
    if rejected <= most and not is_down:
        return
    if is_down or rejected - sum(failed.values()) <= most:
        not_read = [path for path, reason in report["rejected_files"] if reason in failed]
        paths = [repr(shorten(path, LINE)) for path in not_read]
        raise StorageError(
            f"{folder}: {quantity(sum(failed.values()), 'file')} {_first([*failed])}, such as "
            f"{_first(paths)}; try again when the disk or network responds and no archive is being "
            "written"
        )
    # repr escapes control characters in file names.
    names = [repr(shorten(path, LINE)) for path, _ in report["rejected_files"]]
    raise ImageDataError(
        f"{folder}: {rejected} of {files} {what} rejected ({rejected / files:.1%}), "
        f"max_rejected allows {options.max_rejected:.1%}: {_first(reasons)}; "
        f"files: {_first(names)}; the log lists all of them; fix or remove them, or raise "
        "max_rejected",
        span,
    )


def _empty_split(split: str, report: dict, options: ImageOptions) -> str:
    if split == examples.HOLDOUT:
        return f"no image is in the {split} split: data.holdout has no valid image"
    if split == examples.TRAIN and report[IN_HOLDOUT]:
        return (
            f"no image is in the {split} split: {report[IN_HOLDOUT]} are also in data.holdout"
            f"{', or others of their group are' if options.group_pattern else ''}; add others"
        )
    grouped = " and the groups of group_pattern" if options.group_pattern else ""
    other_way = ""
    if alike := report.get(NEAR_DUPLICATES, {}).get(IMAGES):
        grouped += f" ({alike:,} look alike)"
        other_way = ", or set near_duplicates to warn"
    images, copies = report[names.ACCEPTED], report[names.DUPLICATES]
    if images - copies == 1 < images:
        return f"no image is in the {split} split: all {images:,} are the same picture; add others"
    are = "is" if images == 1 else "are"
    but = f", of which {copies:,} {'is a copy' if copies == 1 else 'are copies'} of others,"
    return (
        f"no image is in the {split} split: {quantity(images, 'image')}{but if copies else ''} "
        f"{are} too few for eval_percent {options.eval_percent}{grouped}; add images or change "
        f"eval_percent{other_way}"
    )


def _first(texts: Sequence[str]) -> str:
    more = [f"{len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    return ", ".join([*texts[:SHOWN], *more])
