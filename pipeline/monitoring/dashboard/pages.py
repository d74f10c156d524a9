"""The pages of the dashboard by path, rendered with Jinja2, each with its own policy.

Paths contain numbers from ML Metadata, never names. Text from data is escaped, including control
characters. Each page is self-contained: style, charts and pictures are inline.
"""

import base64
import functools
import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
from markupsafe import Markup

from pipeline.monitoring.dashboard import charts, wording
from pipeline.monitoring.dashboard.collect import Evaluation, Overview, TrainedModel
from pipeline.monitoring.dashboard.datasets import all_spans, rejected_files, spans_of
from pipeline.monitoring.dashboard.weeks import calendar, summary
from pipeline.monitoring.dashboard.wording import run_state
from pipeline.registry import lineage
from trainer.common.text import printable

INDEX = "index.html"
HISTORY, MODELS, RUNS, DATA = "history.html", "models.html", "runs.html", "data.html"
NAVIGATION = {
    INDEX: "Overview",
    HISTORY: "History",
    MODELS: "Models",
    RUNS: "Runs",
    DATA: "Data",
}
# At most so many are shown, the newest.
CHARTED_MODELS = 90
LISTED_EVENTS, LISTED_RUNS, LISTED_FILES = 14, 100, 500
INDEX_CHARTS = 2
TABLED_METRICS = 4  # of a model in a row with others; its own page has all
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


class Site:
    """All pages of a workspace at one time.

    Args:
        overview: the records to show.
        now: aware; the time that ages refer to.
    """

    def __init__(self, overview: Overview, now: datetime) -> None:
        self._overview = overview
        today = now.astimezone().date()
        # Only the history lists later ones: the clock that recorded them was ahead.
        self._past = [event for event in overview.events if event.started.date() <= today]
        self._environment = _environment(overview, now)
        self._pages: dict[str, Callable[[], Page | None]] = {
            INDEX: self._index,
            HISTORY: lambda: self._page("history", HISTORY, weeks=calendar(self._past)),
            MODELS: lambda: self._page("models", MODELS, quality=list(self._quality())),
            RUNS: self._runs,
            DATA: self._data,
        }
        for trained in overview.models:
            path = f"models/{trained.model.number}.html"
            self._pages[path] = lambda path=path, trained=trained: self._model(path, trained)
            found = trained.evaluation
            if found and found.report:
                path = f"reports/{found.number}.html"
                self._pages[path] = lambda found=found: _report(found)

    def paths(self) -> Sequence[str]:
        """The paths of all pages, relative to the folder of the first one."""
        return list(self._pages)

    def page(self, path: str) -> Page | None:
        """The page at a path; None if there is none, or its file was removed since."""
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
            rejected=_last_rejected(overview),
            summary=summary(self._past),
            last=self._past[-1] if self._past else None,
            quality=list(islice(self._quality(), INDEX_CHARTS)),
            weeks=calendar(self._past),
            events=self._past[: -LISTED_EVENTS - 1 : -1],
        )

    def _quality(self) -> Iterator[tuple[str, Markup]]:
        """One chart per metric with limits."""
        for name in charted_metrics(self._overview):
            points = [
                charts.Point(
                    each.day, each.model.metrics[name], each.model.verdict, each.model.live
                )
                for each in sorted(self._overview.models, key=lambda each: each.day)
                if name in each.model.metrics and each.model.verdict in charts.MARKS
            ][-CHARTED_MODELS:]
            if points:
                text = ", ".join(f"{p.day:%d %b} {p.value:.3g} {p.verdict}" for p in points)
                yield name, charts.quality_chart(points, f"{printable(name)} over time: {text}")

    def _model(self, path: str, trained: TrainedModel) -> Page:
        return self._page(
            "model",
            path,
            trained=trained,
            parent=self._overview.parent(trained),
            shown=LISTED_FILES,
            spans=spans_of(trained.dataset) if trained.dataset else [],
        )

    def _runs(self) -> Page:
        runs = self._overview.runs
        return self._page(
            "runs",
            RUNS,
            runs=runs[: -LISTED_RUNS - 1 : -1],
            seconds_of=_seconds,
            nodes=list(dict.fromkeys(node.id for run in runs for node in run.nodes)),
        )

    def _data(self) -> Page:
        datasets = self._overview.datasets
        files = rejected_files(datasets)
        return self._page(
            "data",
            DATA,
            spans=all_spans(datasets, self._overview.held)[::-1],
            datasets=datasets[: -LISTED_RUNS - 1 : -1],
            files=files[:LISTED_FILES],
            left_out=max(len(files) - LISTED_FILES, 0),
            reasons=Counter(reason for _, reason in files).most_common(),
        )


def limited_metrics(overview: Overview) -> list[str]:
    """The metrics with limits, those of the latest models first."""
    found = dict.fromkeys(name for each in reversed(overview.models) for name in each.model.limited)
    return list(found)


def charted_metrics(overview: Overview) -> list[str]:
    """The metrics with limits, preceded by the same on the holdout images (`kid@holdout`).

    Those are the same images for every model, so their values compare over time.
    """
    limited = limited_metrics(overview)
    known = {name for each in overview.models for name in each.model.metrics}
    fixed = [name for name in sorted(known) if "@" in name and name.partition("@")[0] in limited]
    return list(dict.fromkeys([*fixed, *limited]))


def _environment(overview: Overview, now: datetime) -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=wording.escaped,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=wording.number,
        thousands=wording.thousands,
        span_name=lambda span: wording.span_name(span, overview),
        time=wording.time,
        age=lambda then: wording.age(then, now),
        duration=wording.duration,
        setting=wording.setting_text,
        breakable=wording.breakable,
    )
    environment.globals.update(
        overview=overview,
        now=now,
        style=Markup(_STYLE),
        policy=PAGE_POLICY,
        navigation=NAVIGATION,
        words_of=lambda event: wording.words_of(event, overview),
        kind_of=wording.kind_of,
        place_of=wording.place_of,
        verdicts=wording.VERDICTS,
        found_text=wording.found_text,
        result_text=wording.result_text,
        run_state=functools.partial(run_state, overview=overview),
        limits_text=wording.limits_text,
        tabled=limited_metrics(overview)[:TABLED_METRICS],
        better=_directions(overview),
        picture=_picture,
    )
    return environment


def _directions(overview: Overview) -> dict[str, str]:
    """The better direction of each metric, in words, from the latest evaluation with files."""
    for trained in reversed(overview.models):
        if trained.evaluation and trained.evaluation.metrics:
            return {
                name: "larger is better" if metric.larger_is_better else "smaller is better"
                for name, metric in trained.evaluation.metrics.items()
            }
    return {}


def _last_rejected(overview: Overview) -> TrainedModel | None:
    """The model that was judged last, if the gate rejected it and nobody has decided otherwise."""
    last = overview.decided
    return last if last and last.model.verdict == "not blessed" else None


def _seconds(run: lineage.Run) -> float:
    """From the start of the first node to the end of the last."""
    if not run.nodes:
        return 0.0
    last = run.nodes[-1]
    return (last.started - run.started).total_seconds() + last.seconds


def _report(evaluation: Evaluation) -> Page | None:
    content = evaluation.files.read(evaluation.report)
    return None if content is None else Page(content, REPORT_POLICY)


def _picture(evaluation: Evaluation) -> str:
    png = evaluation.files.read(evaluation.samples) or b""
    return f"data:image/png;base64,{base64.b64encode(png).decode()}"
