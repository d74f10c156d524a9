"""What became of the files: the report beside the examples, and when it stops the run."""

import json
from collections.abc import Mapping, Sequence

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import ImageOptions

FILE_NAME = "rejected.json"  # in the root of the examples artifact
# Names of counts beside those of the splits.
DUPLICATES = "duplicates"
LEFT_OUT = "left_out"
OMITTED = "omitted"
COUNTS = ("files", "accepted", "rejected", "duplicates")  # also properties of the artifact
MAX_REJECTED_FILES = 10_000  # named in the report; all are counted
SHOWN = 3  # files and reasons named in an error


def make_report(
    counts: Mapping[str, int],
    splits: Sequence[str],
    reasons: Mapping[str, int],
    by_span: Mapping[int, Mapping[str, int]],
    rejected_files: Sequence[tuple[str, str]],
) -> dict:
    """Puts the counts together.

    Args:
        counts: images by split, and by the names of LEFT_OUT, OMITTED and DUPLICATES.
        splits: names of the splits.
        reasons: rejected files by reason.
        by_span: `accepted` and `rejected` files of each span.
        rejected_files: (path, reason), sorted; at most MAX_REJECTED_FILES.

    Returns:
        The report: of accepted images, those in each of the `splits`, those `left_out` since
        held-out ones of another group equal them, and those of older spans `omitted` beyond
        older_share; `duplicates`, whose pixels equal those of another one before them.
    """
    unused = {name: counts.get(name, 0) for name in (LEFT_OUT, OMITTED)}
    in_splits = {split: counts.get(split, 0) for split in splits}
    accepted = sum(in_splits.values()) + sum(unused.values())
    rejected = sum(reasons.values())
    return {
        "files": accepted + rejected,
        "accepted": accepted,
        "duplicates": counts.get(DUPLICATES, 0),
        "splits": in_splits,
        **unused,
        "rejected": rejected,
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
        "by_span": {str(span): dict(by_span[span]) for span in sorted(by_span)},
        "rejected_files": [list(file) for file in rejected_files],
    }


def to_json(report: dict) -> str:
    """The report as JSON in ASCII: a file's name cannot do anything to who reads it."""
    return json.dumps(report, indent=1)


def check_report(report: dict, folder: str, options: ImageOptions) -> None:
    """Raises an ImageDataError where too many files were rejected or a split is empty."""
    files, rejected = report["files"], report["rejected"]
    if rejected > options.max_rejected * files:
        reasons = [f"{count} {reason}" for reason, count in report["reasons"].items()]
        # repr keeps control characters in a file's name from the terminal.
        names = [repr(path) for path, _ in report["rejected_files"]]
        raise ImageDataError(
            f"{folder}: {rejected} of {files} files rejected ({rejected / files:.1%}), "
            f"max_rejected allows {options.max_rejected:.1%}: {_first(reasons)}; "
            f"files: {_first(names)}; the log names them all; mend or remove them, or raise "
            "max_rejected"
        )
    for split, images in report["splits"].items():
        if not images:
            grouped = " and the groups of group_pattern" if options.group_pattern else ""
            raise ImageDataError(
                f"{folder}: no image falls into the {split} split: {report['accepted']} images "
                f"are too few for eval_percent {options.eval_percent}{grouped}; add images"
                f" or change eval_percent"
            )


def _first(texts: Sequence[str]) -> str:
    more = [f"{len(texts) - SHOWN} more"] if len(texts) > SHOWN else []
    return ", ".join([*texts[:SHOWN], *more])
