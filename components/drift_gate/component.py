"""DriftGate: the node that compares new images with earlier ones, and what it compares with."""

import heapq
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from absl import logging
from tfx import types
from tfx.dsl.component.experimental.annotations import InputArtifact, OutputArtifact, Parameter
from tfx.dsl.component.experimental.decorators import component
from tfx.dsl.components.common import resolver
from tfx.dsl.io import fileio
from tfx.types import artifact, artifact_utils
from tfx.types.standard_artifacts import Examples

from components.drift_gate import names
from components.drift_gate.drift import SCALARS, SOURCE_SCALARS, Sample, judge, space_of
from components.drift_gate.options import DriftOptions
from components.features import load_extractor
from components.features.options import FeatureOptions
from trainer import examples as stored
from trainer import records
from trainer.common import exit_codes

BATCH_SIZE = 256  # images


class DriftError(ValueError):
    """The new images differ too much from earlier ones and are held for review."""

    exit_code = exit_codes.HELD

    def __init__(self, message: str = "", span: int = 0) -> None:
        super().__init__(message)
        self.span = span  # that is at fault; 0 for a folder without spans


class DriftVerdict(artifact.Artifact):
    """Whether new images differ from accepted ones, and the reference for the next images."""

    TYPE_NAME = names.VERDICT_TYPE


@component
def DriftGate(
    examples: InputArtifact[Examples],
    verdict: OutputArtifact[DriftVerdict],
    options: Parameter[str],
    features: Parameter[str],
    source_hash: Parameter[str],
    reference: InputArtifact[DriftVerdict] = None,
) -> None:
    """Compares the images of the newest spans with a sample of those since the last drift.

    Args:
        examples: with the splits train and eval (trainer/examples.py).
        verdict: all numbers, and the sample to compare the next images with.
        options: DriftOptions as JSON: limits, and the action on drift.
        features: FeatureOptions as JSON: the feature space.
        source_hash: of the code; not read: a new one invalidates TFX's cache.
        reference: the verdict on earlier data, from a Resolver; may resolve to none.

    Raises:
        DriftError: the images have drifted, and `on_drift` is hold.
        FeatureError: the weights of the feature space are missing or not the pinned ones.
        DamagedExamplesError: a file of examples is damaged.
    """
    limits = DriftOptions.model_validate_json(options)
    span = _newest_span(examples)
    seen = _newest_span(reference) if reference else -1
    # A reference without spans may hold the images that have them now.
    comparable = reference is not None and bool(seen) == bool(span)
    # Without spans, all are new each time.
    after = seen if comparable and span and seen <= span else -1
    newest = _sample(examples, after, limits.images, FeatureOptions.model_validate_json(features))
    result = judge(newest, _reference_of(reference) if comparable else None, limits)
    if result.reference:
        result.reference.save(f"{verdict.uri}/{names.REFERENCE_NPZ}")
    with fileio.open(f"{verdict.uri}/{names.VERDICT_JSON}", "w") as file:
        json.dump(result.to_json(), file, indent=2)
    verdict.set_int_custom_property(names.SPAN, span)
    verdict.set_int_custom_property(names.DRIFTED, int(result.drifted))
    verdict.set_string_custom_property(names.SUMMARY, result.summary)
    verdict.set_string_custom_property(names.REFERENCE, reference.uri if reference else "")
    verdict.set_int_custom_property(names.EXAMPLES, examples.id)
    space = result.reference.space if result.reference else ""
    verdict.set_string_custom_property(names.SPACE, space)
    if result.drifted and limits.on_drift == "hold":
        raise DriftError(
            f"the images{f' of span {span}' if span else ''} drifted: {result.summary}. To accept "
            f"them in one run: drift.on_drift=warn{f' and data.span={span}' if span else ''}",
            span,
        )
    level = logging.WARNING if result.drifted else logging.INFO
    logging.log(level, "Drift: %s", result.summary)


class LatestVerdictOnEarlierDataStrategy(resolver.ResolverStrategy):
    """Resolves the DriftVerdict of the newest earlier spans, or of other examples without spans.

    A repeated run thus has the same reference and a cached verdict, and data are never compared
    with themselves, even if the same spans are read again. Held data never become a reference: TFX
    does not publish the outputs of a failed node.

    A verdict on images that can be compared comes before newer ones of another size or feature
    space, so that a run with these does not let all that was accepted before be forgotten.

    The channels are `verdict` (all verdicts) and `examples` (the current).
    """

    def __init__(self, space: str) -> None:
        """`space`: that of a Sample of the current images."""
        self._space = space

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]]:
        """Returns `verdict`, empty if there is none, and `examples`."""
        (examples,) = input_dict["examples"]
        now = _newest_span(examples)
        earlier = [
            verdict
            for verdict in input_dict[names.VERDICT]
            if verdict.get_int_custom_property(names.EXAMPLES) != examples.id
            and (not now or _newest_span(verdict) < now)
        ]
        best = sorted(earlier, key=lambda each: self._preference(each, now))[-1:]
        return {names.VERDICT: best, "examples": input_dict["examples"]}

    def _preference(self, verdict: types.Artifact, now: int) -> tuple[bool, bool, int, int]:
        """Sorts verdicts: those with spans and those without cannot be compared."""
        span, space = _newest_span(verdict), verdict.get_string_custom_property(names.SPACE)
        # Without images yet, there is no space.
        return bool(span) == bool(now), space in ("", self._space), span, verdict.id


def _newest_span(artifact: types.Artifact) -> int:
    return artifact.get_int_custom_property(names.SPAN)


def _reference_of(verdict: types.Artifact) -> Sample | None:
    uri = f"{verdict.uri}/{names.REFERENCE_NPZ}"
    return Sample.load(uri) if fileio.exists(uri) else None


def _sample(
    examples: types.Artifact, after: int, size: int, features: FeatureOptions
) -> Sample | None:
    """At most `size` images of spans later than `after`; None if there are none."""
    folders = [
        artifact_utils.get_split_uri([examples], split) for split in (stored.TRAIN, stored.EVAL)
    ]
    files = [f"{each}/{name}" for each in folders for name in sorted(fileio.listdir(each))]
    with records.naming_damaged(files, made_by="`iadb run`"):
        chosen = heapq.nsmallest(size, _new_records(files, after))
    if not chosen:
        return None
    keys, serialized = zip(*chosen, strict=True)
    extract = load_extractor(features)
    scalars, vectors = [], []
    for start in range(0, len(serialized), BATCH_SIZE):
        parsed = [_parse(record) for record in serialized[start : start + BATCH_SIZE]]
        paired = stored.SOURCE in parsed[0]
        kinds = (stored.IMAGE, stored.SOURCE) if paired else (stored.IMAGE,)
        images = [_decode(parsed, kind) for kind in kinds]
        vectors.append(np.concatenate([extract(each) for each in images], axis=1))
        shape, columns = images[0].shape[1:], SCALARS + SOURCE_SCALARS if paired else SCALARS
        scalars += [[_number(feature[name]) for name in columns] for feature in parsed]
    return Sample(
        space_of(features.identity, shape, paired),
        np.array(keys),
        np.array(scalars, np.float64),
        np.concatenate(vectors),
    )


def _new_records(files: Sequence[str], after: int) -> Iterator[tuple[bytes, bytes]]:
    """Yields the examples of later spans, and before each a key that sorts them at random."""
    for record in records.read_records(files).as_numpy_iterator():
        feature = _parse(record)
        if all(span > after for span in feature[stored.SPAN].int64_list.value):
            yield records.scatter(records.key_of(feature)), record


def _parse(record: bytes) -> Any:
    return tf.train.Example.FromString(record).features.feature


def _decode(parsed: Sequence[Any], name: str) -> np.ndarray:
    pngs = [feature[name].bytes_list.value[0] for feature in parsed]
    return np.stack([tf.io.decode_png(png).numpy() for png in pngs])


def _number(feature: tf.train.Feature) -> float:
    (number,) = feature.int64_list.value or feature.float_list.value
    return float(number)
