"""What the calibration found: a table of refusals in Markdown, and the numbers behind them."""

import collections
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.stats

from benchmarks.gate.faults import CASES
from benchmarks.gate.nights import NIGHTS, STEP
from benchmarks.gate.verdicts import Judged
from components.metrics.kinds import MIN_EXPECTED, Kinds
from components.sample_evaluator import sources
from components.sample_evaluator.measure.results import MEMORIZED_SHARE
from components.sample_evaluator.verdict import checks
from components.sample_evaluator.verdict.checks import left_out, missed

RESULTS, MARKDOWN, VALUES = "results.json", "table.md", "values.txt"
SAMPLES = "samples"  # the reason of a refusal that names no metric: samples of a single color
PLAIN = {checks.IMAGES, checks.DISTINCT, checks.FLAT, checks.LIMITS}
CONFIDENCE = 0.95

Row = dict[str, Any]  # one verdict, or the nights of one seed


def summarize(judged: Judged) -> Row:
    """What is kept of a verdict, for JSON."""
    verdict, candidate = judged.verdict, judged.results[sources.CANDIDATE]
    return {
        "blessed": verdict.blessed,
        "failed": [name for name in missed(verdict.checks) if name not in PLAIN]
        or ([] if verdict.blessed else [SAMPLES]),
        "reasons": list(verdict.reasons),
        "left_out": left_out(verdict.checks),
        "memorized": candidate[MEMORIZED_SHARE].value,
        "rarest": _rarest(judged.kinds),
        "places": {
            name: [metric.place, metric.place_margin]
            for name, metric in candidate.metrics.items()
            if metric.place is not None
        },
        "worsenings": {
            name: [metric.worsening, metric.margin]
            for name, metric in candidate.metrics.items()
            if metric.worsening is not None
        },
    }


def _rarest(kinds: Kinds) -> float | None:
    """The smallest share of the expected images, over the kinds that may be missing."""
    shares = [
        kind.estimated / kind.expected
        for kind in kinds.kinds
        if kind.estimated is not None and kind.expected >= MIN_EXPECTED
    ]
    return min(shares, default=None)


def is_wrong(row: Row) -> bool:
    """Whether a verdict is not the right one; nights have no right ones."""
    return row["case"] in CASES and row["blessed"] != CASES[row["case"]].is_good


def interval(count: int, of: int) -> tuple[float, float]:
    """The shares that a count allows, by Wilson's interval (Wilson 1927)."""
    found = scipy.stats.binomtest(count, of).proportion_ci(CONFIDENCE, method="wilson")
    return float(found.low), float(found.high)


def line(rows: Sequence[Row]) -> str:
    """What was found of one model, for the terminal."""
    name = f"{rows[0]['set']:8} {rows[0]['case']:24}"
    if rows[0]["case"] not in CASES:
        return f"{name} {_nights(rows)}"
    return f"{name} refused {_refused(rows)}: {_reasons(rows)}"


def markdown(found: Sequence[Row]) -> str:
    """The tables that benchmarks/notes/evaluation.md shows."""
    names = list(dict.fromkeys(row["set"] for row in found))
    judged = [row for row in found if row["case"] in CASES]
    lines = [
        f"| model | {' | '.join(names)} | by |",
        f"| --- |{' --- |' * (len(names) + 1)}",
    ]
    for case, rows in _by(judged, "case"):
        cells = [_refused([row for row in rows if row["set"] == name]) for name in names]
        lines.append(f"| {CASES[case].title} | {' | '.join(cells)} | {_reasons(rows)} |")
    lines.append("")
    for kind, is_good in (("good", True), ("faulty", False)):
        chosen = [row for row in judged if CASES[row["case"]].is_good == is_good]
        if chosen:
            lines.append(f"All {kind} models: refused {_refused(chosen)}.")
    for row_case, rows in _by([row for row in found if row["case"] not in CASES], "case"):
        lines += ["", f"{_NIGHTS[row_case]}:", ""]
        lines += [f"- {name}: {_nights(part)}" for name, part in _by(rows, "set")]
    return "\n".join(lines) + "\n"


_NIGHTS = {
    "ratchet": f"{NIGHTS} nights, noise of {STEP} levels more each night",
    "equal-nights": f"{NIGHTS} nights of equal models",
}


def _by(rows: Iterable[Row], key: str) -> Iterator[tuple[str, list[Row]]]:
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row[key], []).append(row)
    yield from found.items()


def _refused(rows: Sequence[Row]) -> str:
    if not rows:
        return "–"
    count = sum(not row["blessed"] for row in rows)
    low, high = interval(count, len(rows))
    return f"{count} of {len(rows)} ({low:.0%}–{high:.0%})"


def _reasons(rows: Sequence[Row]) -> str:
    counts = collections.Counter(name for row in rows for name in row["failed"])
    return ", ".join(f"{name} {count}" for name, count in counts.most_common()) or "–"


def _nights(rows: Sequence[Row]) -> str:
    refused = [row["refused"] for row in rows]
    first = [str(min(each, default="never")) for each in refused]
    blessed = [NIGHTS - len(each) for each in refused]
    distances = [f"{row['first']:.3g} to {row['frechet_distance']:.3g}" for row in rows]
    return (
        f"first refused in night {', '.join(first)}; blessed {', '.join(map(str, blessed))} of "
        f"{NIGHTS}; Frechet distance of the live model from {', '.join(distances)}"
    )


def values(found: Sequence[Row]) -> str:
    """Places and margins by data set, model and metric: mean, standard deviation and extremes."""
    lines = []
    for name, rows in _by([row for row in found if row["case"] in CASES], "set"):
        lines.append(f"{name}: place mean ± sd [min, max], margin mean (max), proven [min, max]")
        for case, part in _by(rows, "case"):
            lines.append(f"  {case}: refused {_refused(part)} by {_reasons(part)}")
            metrics = dict.fromkeys(metric for row in part for metric in row["places"])
            for metric in metrics:
                pairs = np.array([row["places"].get(metric, [math.nan] * 2) for row in part])
                lines.append(f"    {metric:20} {_spread(pairs)}")
            worse = dict.fromkeys(metric for row in part for metric in row["worsenings"])
            for metric in worse:
                pairs = np.array([row["worsenings"].get(metric, [math.nan] * 2) for row in part])
                lines.append(
                    f"    {metric:20} worse than the baseline beyond the margin by "
                    f"{np.nanmean(pairs[:, 0]):.4g} [{np.nanmin(pairs[:, 0]):.4g}, "
                    f"{np.nanmax(pairs[:, 0]):.4g}]"
                )
            for key, title in (("memorized", MEMORIZED_SHARE), ("rarest", "rarest kind")):
                shares = [row[key] for row in part if row[key] is not None]
                if shares:
                    extremes = f"[{min(shares):.3f}, {max(shares):.3f}]"
                    lines.append(f"    {title:20} {np.mean(shares):.3f} {extremes}")
    return "\n".join(lines) + "\n"


def _spread(pairs: np.ndarray) -> str:
    place, margin = pairs[:, 0], pairs[:, 1]
    proven = place - margin
    return (
        f"{np.nanmean(place):7.3f} ± {np.nanstd(place):.3f} "
        f"[{np.nanmin(place):.3f}, {np.nanmax(place):.3f}], margin {np.nanmean(margin):.3f} "
        f"({np.nanmax(margin):.3f}), proven [{np.nanmin(proven):.3f}, {np.nanmax(proven):.3f}]"
    )
