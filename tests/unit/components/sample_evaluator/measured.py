"""What an evaluation measured, from few words."""

import dataclasses

from components.sample_evaluator.measure.results import MetricResult, SourceResult
from components.sample_evaluator.verdict import gate

COUNTS = ("images", "flat_images", "distinct_images", "equal_images")
FIELDS = [field.name for field in dataclasses.fields(MetricResult)[1:]]


def parse(found):
    """The result of one source, from numbers and texts by metric, or by metric and field."""
    metrics = {}
    for name, value in found.items():
        if name not in COUNTS:
            field = next((f for f in sorted(FIELDS, key=len)[::-1] if name.endswith(f"_{f}")), None)
            metric = name.removesuffix(f"_{field}") if field else name
            metrics.setdefault(metric, {})[field or "value"] = value
    return SourceResult(
        **{name: found[name] for name in COUNTS if name in found},
        metrics={name: MetricResult(**fields) for name, fields in metrics.items()},
    )


def source(images=200, flat=0, distinct=None, equal=0, **metrics):
    """The result of one source."""
    counts = {
        "images": images,
        "flat_images": flat,
        "distinct_images": images if distinct is None else distinct,
        "equal_images": equal,
    }
    return parse({**counts, "memorized_share": 0.0, **metrics})


def judge(results, options, **found):
    """The verdict on a candidate, by what was measured and found."""
    return gate.judge(gate.Measured(results, options, **found))
