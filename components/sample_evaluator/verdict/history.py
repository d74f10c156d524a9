"""The metrics of earlier blessed models, from their evaluations."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
import tensorflow as tf
from absl import logging

from components.features.options import identity
from components.metrics import AT_HOLDOUT, METRICS
from components.sample_evaluator import names, sources
from components.sample_evaluator.evaluation import Evaluation
from components.sample_evaluator.measure.results import Results, SourceResult
from trainer.source.options import Source


class _Metric(pydantic.BaseModel):
    candidate: pydantic.FiniteFloat | None
    place: pydantic.FiniteFloat | None = None
    place_margin: pydantic.FiniteFloat | None = None


class _Model(pydantic.BaseModel):
    uri: str


class _Evaluation(pydantic.BaseModel):
    """The part of metrics.json that the history reads."""

    features: str
    feature_settings: dict[str, Any]
    samples: int
    shape: list[int]
    images: dict[str, int]
    task: dict[str, Any] | None
    model: _Model
    metrics: dict[str, _Metric]

    @property
    def setting(self) -> tuple[Any, ...]:
        """What evaluations that can be compared have in common."""
        return identity(self.features, self.feature_settings), self.task, self.shape


def earlier_metrics(
    evaluation: Evaluation, results: Results, task: Mapping[str, Any] | None
) -> list[dict[str, Any]]:
    """Reads the metrics of earlier evaluations that can be compared with this one.

    Metrics depend on the feature space including its weights, and the Frechet distance on the
    number of images as well; what a model translates may be nearly the image, or hardly show it;
    and images of another shape have other places. Evaluations that differ in these are skipped, as
    are unreadable ones. If only the number of samples differs, metrics whose expected value does
    not depend on it are still included, where they compare with the images of data.holdout, and
    their places. Distances that are norms (spectrum, color, layout) are not among them: chance
    raises them less with more images. Metrics that compare with the images of data.holdout are
    skipped in evaluations with another number of these.

    Args:
        evaluation: this one.
        results: of its sources.
        task: of its candidate, from `task_of`.

    Returns:
        In their order: `model`, the URI; `evaluated`, the day (ISO 8601, UTC); `metrics`, values by
        name, without those that could not be computed; `places`, by the name of the metric, the
        largest place between floor and noise that its error allows.
    """
    setting = evaluation.options.features.identity, task, list(evaluation.shape)
    samples = results[sources.REAL].images
    holdout = results.get(sources.HOLDOUT, SourceResult()).images
    entries = []
    for artifact in evaluation.earlier:
        found = _read(f"{artifact.uri}/{names.METRICS_JSON}")
        if found is None or found.setting != setting:
            continue
        same_samples = found.samples == samples
        same_holdout = found.images.get(sources.HOLDOUT, 0) == holdout
        values, places = {}, {}
        for name, metric in found.metrics.items():
            known = METRICS.get(name.removesuffix(AT_HOLDOUT))
            any_number = known is not None and known.of_any_number
            at_holdout = name.endswith(AT_HOLDOUT)
            if at_holdout and not same_holdout:
                continue
            if metric.candidate is not None and (same_samples or (at_holdout and any_number)):
                values[name] = metric.candidate
            if (same_samples or any_number) and None not in (metric.place, metric.place_margin):
                places[name] = metric.place + metric.place_margin
        milliseconds = artifact.mlmd_artifact.create_time_since_epoch
        day = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc).date()
        entry = {"model": found.model.uri, "evaluated": day.isoformat()}
        if values or places:
            entries.append({**entry, "metrics": values, "places": places})
    return entries


def _read(path: str) -> _Evaluation | None:
    try:
        with tf.io.gfile.GFile(path, "rb") as file:
            return _Evaluation.model_validate_json(file.read())
    except (tf.errors.OpError, pydantic.ValidationError) as error:
        logging.warning("The history skips %s: %s", path, error)
        return None


def task_of(source: Source | None) -> dict[str, Any] | None:
    """What a model translates to images, for JSON; None for a model that draws from noise alone."""
    return source and {"degrade": source.degrade, "paired": source.paired}


def best_places(history: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    """The smallest of the `places` of earlier evaluations by metric.

    A model is compared with the best of them and not only with the one before, or each could be a
    little worse than the last.
    """
    best: dict[str, float] = {}
    for entry in history:
        for name, place in entry["places"].items():
            best[name] = min(place, best.get(name, place))
    return best
