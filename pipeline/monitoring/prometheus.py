"""Metrics of a workspace for Prometheus, from the journal, ML Metadata and the serving folder.

Times are timestamps of events, not ages, so that they stay true until the text is written again.
All have the label `workspace`, since an exporter refuses the same metric from two files.
Imports neither TFX nor TensorFlow.
"""

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from ml_metadata import MetadataStore
from prometheus_client import CollectorRegistry, generate_latest, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric

from components.sample_evaluator.names import BLESSED, BLESSING_TYPE
from pipeline.monitoring.options import NotifyOptions
from pipeline.registry import lineage
from pipeline.registry.journal import Journal
from pipeline.registry.lineage import properties
from pipeline.registry.models import PROMOTER_PROPERTY, RegisteredModel, load_models
from pipeline.registry.names import Outcome
from pipeline.workspace import Workspace

# Of checks that did their work, even if the new model is not better.
_SUCCESS = {Outcome.NOTHING_NEW, Outcome.TOO_FEW, Outcome.BLESSED, Outcome.NOT_BLESSED}


def write(workspace: Workspace, options: NotifyOptions) -> None:
    """Writes the metrics for the textfile collector of the node exporter, atomically.

    A failure is logged and does not change how the check ended.
    """
    path = options.textfile or str(workspace.folder / "metrics.prom")
    try:
        write_to_textfile(path, _registry(workspace))
    except OSError as error:
        logging.getLogger(__name__).warning("metrics: %s: %s", path, error.strerror)


def text(workspace: Workspace) -> bytes:
    """The metrics in Prometheus's text format."""
    return generate_latest(_registry(workspace))


def _registry(workspace: Workspace) -> CollectorRegistry:
    registry = CollectorRegistry()
    registry.register(_Collector(workspace))
    return registry


class _Collector:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace

    def collect(self) -> Iterator[Metric]:
        label = {"workspace": str(self._workspace.folder)}
        for metric in self._of_workspace():
            metric.samples = [
                sample._replace(labels=label | sample.labels) for sample in metric.samples
            ]
            yield metric

    def _of_workspace(self) -> Iterator[Metric]:
        if self._workspace.journal.exists():
            yield from _of_checks(Journal(self._workspace.journal))
        if self._workspace.metadata.exists():
            store = lineage.connect(self._workspace.metadata)
            yield _of_verdicts(store)
            yield from _of_models(load_models(store, self._workspace.serving))


def _of_checks(journal: Journal) -> Iterator[Metric]:
    checks = journal.attempts()
    yield _gauge(
        "last_attempt_timestamp_seconds",
        "When the last check began.",
        *(check.started.timestamp() for check in checks[-1:]),
    )
    succeeded = [check for check in checks if check.outcome in _SUCCESS]
    yield _gauge(
        "last_success_timestamp_seconds",
        "When the last check ended that did not fail, with or without new images.",
        *(check.ended.timestamp() for check in succeeded[-1:]),
    )
    counts = Counter(check.outcome for check in checks)
    yield _counter(
        "attempts", "Checks by outcome.", "outcome", {each: counts[each] for each in Outcome}
    )
    yield _gauge("held_spans", "Spans held for review.", len(journal.unreleased()))


def _of_verdicts(store: MetadataStore) -> Metric:
    """All that were ever given: a model that is judged again counts again, so no count falls."""
    blessings = [properties(each) for each in store.get_artifacts_by_type(BLESSING_TYPE)]
    by_gate = [each for each in blessings if BLESSED in each and PROMOTER_PROPERTY not in each]
    counts = Counter(each[BLESSED] == 1 for each in by_gate)
    return _counter(
        "verdicts",
        "Verdicts of the gate.",
        "verdict",
        {"blessed": counts[True], "not blessed": counts[False]},
    )


def _of_models(models: Sequence[RegisteredModel]) -> Iterator[Metric]:
    live, newest = [model for model in models if model.live], models[-1:]
    yield _gauge(
        "live_model_trained_timestamp_seconds",
        "When the live model was trained.",
        *(model.trained.timestamp() for model in live),
    )
    images = GaugeMetricFamily(
        "iadb_images_seen", "Images that a model was trained and evaluated on.", labels=["model"]
    )
    metrics = GaugeMetricFamily(
        "iadb_metric", "Metrics of the samples of a model.", labels=["model", "name"]
    )
    for role, found in {"live": live, "newest": newest}.items():
        for model in found:
            if model.images is not None:
                images.add_metric([role], model.images)
            for name, value in model.metrics.items():
                metrics.add_metric([role, name], value)
    yield from (images, metrics)


def _gauge(name: str, documentation: str, *values: float) -> Metric:
    """A gauge with one value, or without if it is unknown."""
    family = GaugeMetricFamily(f"iadb_{name}", documentation)
    for value in values:
        family.add_metric([], value)
    return family


def _counter(name: str, documentation: str, label: str, counts: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily(f"iadb_{name}", documentation, labels=[label])
    for value, count in counts.items():
        family.add_metric([value], count)
    return family
