"""What became of the files: the report beside the examples, and when it stops the run."""

import json
from collections.abc import Sequence

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.options import ImageOptions

FILE_NAME = "rejected.json"  # in the root of the examples artifact
COUNTS = ("files", "accepted", "rejected", "duplicates")  # also properties of the artifact
MAX_REJECTED_FILES = 10_000  # named in the report; all are counted
SHOWN = 3  # files and reasons named in an error


def make_report(
    splits: dict[str, int],
    duplicates: int,
    left_out: int,
    reasons: dict[str, int],
    rejected_files: Sequence[tuple[str, str]],
) -> dict:
    """Puts the counts together.

    Args:
        splits: images by split.
        duplicates: accepted images whose pixels equal those of another one before them.
        left_out: accepted images in neither split: held-out ones of another group equal them.
        reasons: rejected files by reason.
        rejected_files: (path, reason), sorted; at most MAX_REJECTED_FILES.
    """
    accepted, rejected = sum(splits.values()) + left_out, sum(reasons.values())
    return {
        "files": accepted + rejected,
        "accepted": accepted,
        "duplicates": duplicates,
        "splits": splits,
        "left_out": left_out,
        "rejected": rejected,
        "reasons": dict(sorted(reasons.items(), key=lambda item: (-item[1], item[0]))),
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
