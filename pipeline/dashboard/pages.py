"""The pages of the dashboard, by their paths: rendered by Jinja2, each with its own policy.

A path is made of numbers that ML Metadata gave, never of a name. Text that comes from data is
escaped, control characters included. A page holds all that it shows: style, charts and pictures.
"""

import base64
import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pipeline import lineage
from pipeline.dashboard import charts
from pipeline.dashboard.collect import Dataset, Overview, TrainedModel
from pipeline.journal import Attempt, HeldSpan, Outcome
from trainer.names import printable

INDEX = "index.html"
ATTEMPTS, MODELS, RUNS, DATA = "attempts.html", "models.html", "runs.html", "data.html"
NAVIGATION = {
    INDEX: "Overview",
    ATTEMPTS: "Attempts",
    MODELS: "Models",
    RUNS: "Runs",
    DATA: "Data",
}
# What the newest of are shown.
CHARTED_MODELS, CHARTED_RUNS, CHARTED_SPANS = 90, 60, 60
LISTED_ATTEMPTS, LISTED_RUNS, LISTED_FILES, LISTED_ANCESTORS = 14, 100, 500, 10
INDEX_CHARTS = 2
WEEKS = 5
REPORT_POLICY = (
    "default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; "
    "form-action 'none'"
)

_TEMPLATES = Path(__file__).parent / "templates"
_STYLE = (_TEMPLATES / "style.css").read_text("utf-8")
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
PAGE_POLICY = (
    f"default-src 'none'; img-src data:; style-src 'sha256-{_STYLE_HASH}'; base-uri 'none'; "
    "form-action 'none'"
)


class Page(NamedTuple):
    """A page as a server sends it.

    Attributes:
        content: HTML in UTF-8.
        policy: its Content-Security-Policy.
    """

    content: bytes
    policy: str


class Words(NamedTuple):
    """How an outcome is told.

    Attributes:
        sign: one character, different for what a person must tell apart without color.
        text: a phrase.
        tone: CSS class: good, bad or quiet; empty for none of these.
    """

    sign: str
    text: str
    tone: str


OUTCOMES = {
    Outcome.FAILED: Words("!", "failed", "bad"),
    Outcome.TIMED_OUT: Words("!", "took too long and was ended", "bad"),
    Outcome.HELD: Words("‖", "data held for a person", "bad"),
    Outcome.INTERRUPTED: Words("÷", "interrupted", "bad"),
    None: Words("…", "cut off", "bad"),
    Outcome.BLESSED: Words("✓", "blessed", "good"),
    Outcome.NOT_BLESSED: Words("✗", "not blessed, the live model stays", ""),
    Outcome.BUSY: Words("·", "gave way to another run", "quiet"),
    Outcome.TOO_FEW: Words("·", "too few new images", "quiet"),
    Outcome.NOTHING_NEW: Words("·", "nothing new", "quiet"),
}
_SEVERITY = list(OUTCOMES)  # the gravest first
_NEWEST_UNENDED = Words("…", "running, or cut off", "")

VERDICTS = {
    "withdrawn": Words("□", "withdrawn", "bad"),
    "promoted": Words("▲", "promoted", "good"),
    "blessed": Words("●", "blessed", "good"),
    "not blessed": Words("✗", "not blessed", ""),
    "not judged": Words("–", "not judged", "quiet"),
}


class Site:
    """All pages of a workspace at one time.

    Args:
        overview: what they tell.
        now: aware; ages are told from it.
    """

    def __init__(self, overview: Overview, now: datetime) -> None:
        self._overview = overview
        environment = jinja2.Environment(
            loader=jinja2.FileSystemLoader(_TEMPLATES),
            autoescape=True,
            undefined=jinja2.StrictUndefined,
            finalize=_printable,
            trim_blocks=True,
            lstrip_blocks=True,
        )
        environment.filters.update(
            number=_number,
            span_name=lambda span: span_name(span, overview),
            time=_time,
            age=lambda then: age(then, now),
            duration=_duration,
        )
        environment.globals.update(
            overview=overview,
            now=now,
            style=Markup(_STYLE),
            policy=PAGE_POLICY,
            navigation=NAVIGATION,
            words_of=lambda attempt: words_of(attempt, overview),
            verdicts=VERDICTS,
            verdict_of=verdict_of,
            found_text=found_text,
            limited=limited_metrics(overview),
            better=_directions(overview),
            picture=_picture,
        )
        self._environment = environment
        self._now = now
        self._pages: dict[str, Callable[[], Page]] = {
            INDEX: self._index,
            ATTEMPTS: lambda: self._page("attempts", ATTEMPTS, weeks=calendar(overview)),
            MODELS: lambda: self._page("models", MODELS, quality=list(self._quality())),
            RUNS: self._runs,
            DATA: self._data,
        }
        for trained in overview.models:
            path = f"models/{trained.model.number}.html"
            self._pages[path] = lambda path=path, trained=trained: self._model(path, trained)
            found = trained.evaluation
            if found and found.report:
                self._pages[f"reports/{found.number}.html"] = lambda report=found.report: Page(
                    report.read_bytes(), REPORT_POLICY
                )

    def paths(self) -> Sequence[str]:
        """The paths of all pages, relative to the first one's folder."""
        return list(self._pages)

    def page(self, path: str) -> Page | None:
        """The page of a path; None where there is none."""
        make = self._pages.get(path)
        return make() if make else None

    def _page(self, template: str, path: str, **values: Any) -> Page:
        text = self._environment.get_template(f"{template}.html.j2").render(
            path=path, root="../" * path.count("/"), **values
        )
        return Page(text.encode(), PAGE_POLICY)

    def _index(self) -> Page:
        overview = self._overview
        return self._page(
            "index",
            INDEX,
            held=[each for each in overview.held.values() if each.released is None],
            summary=summary(overview),
            last=overview.attempts[-1] if overview.attempts else None,
            last_run=overview.runs[-1] if overview.runs else None,
            run_state=run_state,
            quality=list(islice(self._quality(), INDEX_CHARTS)),
            weeks=calendar(overview),
            attempts=overview.attempts[: -LISTED_ATTEMPTS - 1 : -1],
        )

    def _quality(self) -> Iterator[tuple[str, Markup]]:
        """A chart for each metric that verdicts rest on."""
        for name in charted_metrics(self._overview):
            points = [
                charts.Point(each.day, each.model.metrics[name], verdict_of(each), each.model.live)
                for each in sorted(self._overview.models, key=lambda each: each.day)
                if name in each.model.metrics and verdict_of(each) in charts.MARKS
            ][-CHARTED_MODELS:]
            if points:
                told = ", ".join(f"{p.day:%d %b} {p.value:.3g} {p.verdict}" for p in points)
                yield name, charts.quality_chart(points, f"{printable(name)} over time: {told}")

    def _model(self, path: str, trained: TrainedModel) -> Page:
        return self._page(
            "model",
            path,
            trained=trained,
            parent=self._overview.parent(trained),
            ancestors=self._overview.ancestors(trained),
            listed=LISTED_ANCESTORS,
            shown=LISTED_FILES,
            spans=spans_of(trained.dataset) if trained.dataset else [],
        )

    def _runs(self) -> Page:
        runs = self._overview.runs
        charted = runs[-CHARTED_RUNS:]
        seconds = [_seconds(run) for run in charted]
        states = [run_state(run) for run in charted]
        duration = charted and charts.duration_chart(
            [each / 60 for each in seconds],
            [state != "done" for state in states],
            "Minutes of each run, oldest first: "
            + ", ".join(f"{s / 60:.1f} {state}" for s, state in zip(seconds, states, strict=True)),
        )
        typical = _typical_seconds(charted)
        told = ", ".join(f"{node} {value:.1f}" for node, value in typical.items())
        return self._page(
            "runs",
            RUNS,
            runs=runs[: -LISTED_RUNS - 1 : -1],
            run_state=run_state,
            seconds_of=_seconds,
            nodes=list(dict.fromkeys(node.id for run in runs for node in run.nodes)),
            duration_chart=duration,
            node_chart=typical and charts.node_chart(typical, f"Median seconds by node: {told}"),
            typical=typical,
        )

    def _data(self) -> Page:
        overview = self._overview
        spans = all_spans(overview)
        charted = spans[-CHARTED_SPANS:]
        told = ", ".join(
            f"span {s.span}: {s.accepted} accepted, {s.rejected} rejected" for s in charted
        )
        chart = len(charted) > 1 and charts.span_chart(
            [each.span for each in charted],
            [each.accepted for each in charted],
            [each.rejected for each in charted],
            [each.waits for each in charted],
            f"Files by span: {told}",
        )
        files = rejected_files(overview.datasets)
        return self._page(
            "data",
            DATA,
            chart=chart or None,
            spans=spans[::-1],
            datasets=overview.datasets[: -LISTED_RUNS - 1 : -1],
            files=files[:LISTED_FILES],
            left_out=max(len(files) - LISTED_FILES, 0),
            reasons=Counter(reason for _, reason in files).most_common(),
        )


class SpanImages(NamedTuple):
    """The images of a span, as the latest run that read it has counted them.

    Attributes:
        span: its number; None for all, where there are no counts by span.
        folder: below the data folder; empty where it was not recorded.
        accepted: images.
        rejected: files.
        read: by a run; None where none did.
        held: whether it was set aside at some time.
    """

    span: int | None
    folder: str
    accepted: int
    rejected: int
    read: datetime | None
    held: HeldSpan | None = None

    @property
    def waits(self) -> bool:
        """Whether it waits for a person."""
        return self.held is not None and self.held.released is None


def verdict_of(trained: TrainedModel) -> str:
    """What became of a model, of VERDICTS."""
    model = trained.model
    if model.withdrawn:
        return "withdrawn"
    if model.promoted:
        return "promoted"
    return {None: "not judged", True: "blessed", False: "not blessed"}[model.blessed]


def limited_metrics(overview: Overview) -> list[str]:
    """The metrics that models had to keep limits in, those of the latest models first."""
    found = dict.fromkeys(name for each in reversed(overview.models) for name in each.model.limited)
    return list(found)


def charted_metrics(overview: Overview) -> list[str]:
    """The metrics with limits; before them the same on other images (`kid@holdout`).

    Those are the same images for every model, so that the values compare over time.
    """
    limited = limited_metrics(overview)
    known = {name for each in overview.models for name in each.model.metrics}
    fixed = [name for name in sorted(known) if "@" in name and name.partition("@")[0] in limited]
    return list(dict.fromkeys([*fixed, *limited]))


def words_of(attempt: Attempt, overview: Overview) -> Words:
    """How an attempt ended. One without an end was cut off, but the newest may be running."""
    if attempt.outcome is None and attempt is overview.attempts[-1]:
        return _NEWEST_UNENDED
    return OUTCOMES[attempt.outcome]


def summary(overview: Overview) -> str:
    """How the attempts in the calendar ended, in one line."""
    weeks = calendar(overview)
    if not weeks:
        return ""
    first = next(attempts[0].started for _, attempts in weeks[0] if attempts)
    outcomes = Counter(each.outcome for each in overview.attempts if each.started >= first)
    told = [
        f"{outcomes[each]} {each or 'without an end'}"
        for each in sorted(outcomes, key=lambda each: -outcomes[each])
    ]
    return f"{outcomes.total()} attempts since {first:%-d %B}: {', '.join(told)}."


def _directions(overview: Overview) -> dict[str, str]:
    """Which way each metric is better, in words, as the latest evaluation that is left has it."""
    for trained in reversed(overview.models):
        if trained.evaluation and trained.evaluation.metrics:
            return {
                name: "larger is better" if metric["larger_is_better"] else "smaller is better"
                for name, metric in trained.evaluation.metrics.items()
            }
    return {}


def found_text(attempt: Attempt) -> str:
    """What a look for new data has found, as a line."""
    text = attempt.found.get("text")
    if isinstance(text, str):
        return text
    return ", ".join(f"{name}: {value}" for name, value in attempt.found.items())


def run_state(run: lineage.Run) -> str:
    """How a run ended: done, failed or interrupted."""
    states = {node.state for node in run.nodes}
    return next((state for state in ("failed", "interrupted") if state in states), "done")


def spans_of(dataset: Dataset) -> list[SpanImages]:
    """The images of a dataset, span by span."""
    by_span = dataset.report.get("by_span")
    if not dataset.spans or not isinstance(by_span, Mapping):
        span = dataset.spans[0] if len(dataset.spans) == 1 else None
        folder = dataset.folders.get(span, "")
        return [SpanImages(span, folder, dataset.accepted, dataset.rejected, dataset.read)]
    return [
        SpanImages(
            span,
            dataset.folders.get(span, ""),
            by_span.get(str(span), {}).get("accepted", 0),
            by_span.get(str(span), {}).get("rejected", 0),
            dataset.read,
        )
        for span in dataset.spans
    ]


def span_name(span: int | None, overview: Overview) -> str:
    """A span as it is told."""
    if span is None:
        return "all images"
    return f"span {span}" if overview.has_spans else "the folder"


def all_spans(overview: Overview) -> list[SpanImages]:
    """The spans that were read or held, ascending."""
    found = {
        images.span: images
        for dataset in overview.datasets
        for images in spans_of(dataset)
        if images.span is not None
    }
    for span, held in overview.held.items():
        found[span] = found.get(span, SpanImages(span, "", 0, 0, None))._replace(held=held)
    return [found[span] for span in sorted(found)]


def rejected_files(datasets: Sequence[Dataset]) -> list[tuple[str, str]]:
    """Path and reason of every file that a report names, those of the latest dataset first."""
    found: dict[str, str] = {}
    for dataset in reversed(datasets):
        for path, reason in dataset.report.get("rejected_files", []):
            found.setdefault(path, reason)
    return list(found.items())


def calendar(overview: Overview) -> list[list[tuple[date, list[Attempt]]]]:
    """Weeks from Monday to Sunday, the last of them with the latest attempt.

    A day has an attempt of each outcome, the gravest first; those without work only where there are
    no others.
    """
    if not overview.attempts:
        return []
    by_day: dict[date, dict[Outcome | None, Attempt]] = defaultdict(dict)
    for attempt in overview.attempts:
        by_day[attempt.started.date()][attempt.outcome] = attempt
    last = _monday(overview.attempts[-1].started.date())
    first = max(last - timedelta(weeks=WEEKS - 1), _monday(min(by_day)))
    days = [first + timedelta(days=i) for i in range((last - first).days + 7)]
    cells = [(day, _gravest_first(by_day.get(day, {}))) for day in days]
    return [cells[i : i + 7] for i in range(0, len(cells), 7)]


def _gravest_first(attempts: Mapping[Outcome | None, Attempt]) -> list[Attempt]:
    outcomes = sorted(attempts, key=_SEVERITY.index)
    work = [each for each in outcomes if OUTCOMES[each].tone != "quiet"]
    return [attempts[each] for each in work or outcomes[:1]]


def age(then: datetime, now: datetime) -> str:
    """How long ago something was, in words."""
    seconds = (now - then).total_seconds()
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        count = int(seconds // length)
        if count >= 2 or (count == 1 and unit != "day"):
            return f"{count} {unit}{'s' if count > 1 else ''} ago"
    return "just now"


def _monday(day: date) -> date:
    return day - timedelta(days=day.weekday())


def _typical_seconds(runs: Sequence[lineage.Run]) -> dict[str, float]:
    """The median time of each node, over the runs in which it worked."""
    seconds = defaultdict(list)
    for run in runs:
        for node in run.nodes:
            if node.state == "done":
                seconds[printable(node.id)].append(node.seconds)
    return {node: median(values) for node, values in seconds.items()}


def _seconds(run: lineage.Run) -> float:
    """From the start of the first node to the end of the last."""
    last = run.nodes[-1]
    return (last.started - run.started).total_seconds() + last.seconds


def _printable(value: Any) -> Any:
    """Shows control characters, and what turns the direction of text, in place of doing them."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _number(value: float | None) -> str:
    return "–" if value is None else f"{value:.4g}".replace("-", "−")


def _time(value: datetime) -> str:
    return f"{value:%Y-%m-%d %H:%M}"


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.0f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60:02} min"


def _picture(path: Path) -> str:
    return f"data:image/png;base64,{base64.b64encode(path.read_bytes()).decode()}"
