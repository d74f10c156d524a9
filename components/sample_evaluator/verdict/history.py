"""The metrics of earlier blessed models, from their evaluations."""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

import pydantic
import tensorflow as tf
from absl import logging
from tfx import types

from components.features.options import FeatureOptions, identity
from components.metrics import AT_HOLDOUT, METRICS
from components.sample_evaluator import names, sources
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


def earlier_metrics(
    evaluations: Sequence[types.Artifact],
    features: FeatureOptions,
    samples: int,
    holdout: int = 0,
    task: Mapping[str, Any] | None = None,
    shape: Sequence[int] | None = None,
) -> list[dict[str, Any]]:
    """Reads the metrics of earlier evaluations that can be compared with this one.

    Metrics depend on the feature space including its weights, and the Frechet distance on the
    number of images as well; what a model translates may be nearly the image, or hardly show it;
    and images of another shape have other places. Evaluations that differ in these are skipped, as
    are unreadable ones. If only the number of samples differs, metrics whose expected value does
    not depend on it are still included, where they compare with the images of data.holdout, and
    their places. Distances that are norms (spectrum, color, layout) are not among them: chance
    raises them less with more images.

    Args:
        evaluations: ModelEvaluation artifacts, oldest first.
        features: feature space of this evaluation.
        samples: number of samples of this evaluation.
        holdout: number of images of data.holdout in this evaluation; the metrics that compare with
            these are skipped in evaluations with another number.
        task: of the model of this evaluation, from `task_of`.
        shape: H, W, C of its images; None: of any.

    Returns:
        In the order of `evaluations`: `model`, the URI; `evaluated`, the day (ISO 8601, UTC);
        `metrics`, values by name, without those that could not be computed; `places`, by the name
        of the metric, the largest place between floor and noise that its error allows.
    """
    entries = []
    for artifact in evaluations:
        path = f"{artifact.uri}/{names.METRICS_JSON}"
        try:
            with tf.io.gfile.GFile(path, "rb") as file:
                found = _Evaluation.model_validate_json(file.read())
        except (tf.errors.OpError, pydantic.ValidationError) as error:
            logging.warning("The history skips %s: %s", path, error)
            continue
        space = identity(found.features, found.feature_settings)
        other_shape = shape is not None and found.shape != list(shape)
        if space != features.identity or found.task != task or other_shape:
            continue
        same_holdout = found.images.get(sources.HOLDOUT, 0) == holdout
        same_samples = found.samples == samples
        values, places = {}, {}
        for name, metric in found.metrics.items():
            at_holdout, known = (
                name.endswith(AT_HOLDOUT),
                METRICS.get(name.removesuffix(AT_HOLDOUT)),
            )
            any_number = known is not None and known.of_any_number
            if at_holdout and not same_holdout:
                continue
            if same_samples or (at_holdout and any_number):
                values[name] = metric.candidate
            if (same_samples or any_number) and None not in (metric.place, metric.place_margin):
                places[name] = metric.place + metric.place_margin
        if not (values or places):
            continue
        milliseconds = artifact.mlmd_artifact.create_time_since_epoch
        evaluated = datetime.datetime.fromtimestamp(milliseconds / 1000, datetime.timezone.utc)
        entries.append(
            {
                "model": found.model.uri,
                "evaluated": evaluated.date().isoformat(),
                "metrics": {name: value for name, value in values.items() if value is not None},
                "places": places,
            }
        )
    return entries


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
