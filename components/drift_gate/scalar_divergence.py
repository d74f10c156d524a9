"""The divergence between scalars of two sets of images, by TFDV's drift comparator."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import tensorflow_data_validation as tfdv
from tensorflow_metadata.proto.v0 import schema_pb2, statistics_pb2

from components.drift_gate.sample import SCALARS, SOURCE_SCALARS

LOW = 0.05  # quantile of the scalars of a side; fewer beyond it, or beyond 1 - LOW, are outliers


def scalar_divergences(newest: np.ndarray, reference: np.ndarray) -> dict[str, float]:
    """The Jensen-Shannon divergence of each scalar: 0 for equal histograms, 1 for disjoint ones.

    TFDV computes it from histograms with ten equal bins, which one huge value would widen until all
    others are in one of them: outliers are moved to the ends of where the others are. It is biased
    upward by about the number of bins over the number of images.

    Args:
        newest: float64 [N, S], in the order of SCALARS and SOURCE_SCALARS.
        reference: float64 [M, S].
    """
    names = (*SCALARS, *SOURCE_SCALARS)[: newest.shape[1]]
    newest, reference = _without_outliers(newest, reference)
    anomalies = tfdv.validate_statistics(
        _statistics(newest, names),
        _schema(names),
        previous_statistics=_statistics(reference, names),
    )
    return {
        info.path.step[0]: info.drift_measurements[0].value for info in anomalies.drift_skew_info
    }


def _schema(names: Sequence[str]) -> schema_pb2.Schema:
    """Requests the divergence of each scalar; the limit depends on chance and is applied later."""
    schema = schema_pb2.Schema()
    for name in names:
        feature = schema.feature.add(name=name, type=schema_pb2.FLOAT)
        feature.drift_comparator.jensen_shannon_divergence.threshold = 1.0
    return schema


def _without_outliers(newest: np.ndarray, reference: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Clips both sides to where most of either are, and as far again to each side."""
    sides = np.stack([np.quantile(each, (LOW, 1 - LOW), axis=0) for each in (newest, reference)])
    spans = np.diff(sides, axis=1)[:, 0]
    low, high = (sides[:, 0] - spans).min(axis=0), (sides[:, 1] + spans).max(axis=0)
    return np.clip(newest, low, high), np.clip(reference, low, high)


def _statistics(
    scalars: np.ndarray, names: Sequence[str]
) -> statistics_pb2.DatasetFeatureStatisticsList:
    return tfdv.generate_statistics_from_dataframe(pd.DataFrame(scalars, columns=list(names)))
