"""The TFX executor of DriftGate: samples the new images, compares them, warns or holds them."""

import json
from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

from components.beam_executor import BeamExecutor
from components.drift_gate import names
from components.drift_gate.options import DriftOptions
from components.drift_gate.sample import Sample
from components.drift_gate.sampling import WriteSample
from components.drift_gate.verdict import DriftResult, judge
from components.features import check_available
from components.features.options import FeatureOptions
from components.images.records import read_twice
from trainer.common import exit_codes
from trainer.examples import EVAL, SOURCE_EVAL, SOURCE_TRAIN, TRAIN


class DriftError(ValueError):
    """The new images or sources differ too much from earlier ones and are held for review."""

    exit_code = exit_codes.HELD

    def __init__(self, message: str = "", span: int = 0) -> None:
        super().__init__(message)
        self.span = span  # that is at fault; 0 for a folder without spans


class Executor(BeamExecutor):
    """Executor of DriftGate."""

    def Do(
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Writes the verdict and the reference of the next comparison.

        Raises:
            DriftError: the images or their sources have drifted, and `on_drift` is hold.
            FeatureError: the weights of the feature space are missing or not the pinned ones.
        """
        options = DriftOptions.model_validate_json(exec_properties["options"])
        features = FeatureOptions.model_validate_json(exec_properties["features"])
        check_available(features)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        before = next(iter(input_dict.get("reference") or []), None)
        output = artifact_utils.get_single_instance(output_dict[names.VERDICT])

        def compare(
            kind: str, span_name: str, splits: Sequence[str], prefix: str = ""
        ) -> DriftResult:
            uris = [artifact_utils.get_split_uri([examples], split) for split in splits]
            target = f"{output.uri}/{prefix}{names.NEWEST_NPZ}"
            span = examples.get_int_custom_property(span_name)
            output.set_int_custom_property(span_name, span)
            seen = before.get_int_custom_property(span_name) if before else -1
            # A reference without spans may hold the images that have them now.
            comparable = before is not None and bool(seen) == bool(span)
            # Without spans, all are new each time.
            after = seen if comparable and span and seen <= span else -1
            newest = self._draw(uris, after, options.images, features, target)
            earlier = _load(f"{before.uri}/{prefix}{names.REFERENCE_NPZ}") if comparable else None
            result = judge(newest, earlier, options, kind)
            if result.reference:
                result.reference.save(f"{output.uri}/{prefix}{names.REFERENCE_NPZ}")
            return result

        results = {"images": compare("images", names.SPAN, (TRAIN, EVAL))}
        if SOURCE_TRAIN in artifact_utils.decode_split_names(examples.split_names):
            splits = SOURCE_TRAIN, SOURCE_EVAL
            results["sources"] = compare("sources", names.SOURCE_SPAN, splits, names.OF_SOURCES)
        summary = "; ".join(result.summary for result in results.values())
        drifted = [kind for kind, result in results.items() if result.drifted]
        content = {**results["images"].to_json(), "drifted": bool(drifted), "summary": summary}
        if "sources" in results:
            content["sources"] = results["sources"].to_json()
        with fileio.open(f"{output.uri}/{names.VERDICT_JSON}", "w") as file:
            json.dump(content, file, indent=2)
        output.set_int_custom_property(names.DRIFTED, int(bool(drifted)))
        output.set_string_custom_property(names.SUMMARY, summary)
        output.set_string_custom_property(names.REFERENCE, before.uri if before else "")
        output.set_int_custom_property(names.EXAMPLES, examples.id)
        reference = results["images"].reference
        output.set_string_custom_property(names.SPACE, reference.space if reference else "")
        if drifted and options.on_drift == "hold":
            by_span = defaultdict(list)
            for kind in drifted:
                by_span[_span_of(kind, examples)].append(kind)
            spans = sorted(by_span)
            what = " and ".join(
                f"the {' and '.join(by_span[n])}" + (f" of span {n}" if n else "") for n in spans
            )
            raise DriftError(
                f"{what} drifted: {summary}. To accept them in one run: drift.on_drift=warn"
                + (f" and data.span={spans[-1]}" if spans[-1] else ""),
                spans[-1],
            )
        logging.log(logging.WARNING if drifted else logging.INFO, "Drift: %s", summary)

    def _draw(
        self,
        uris: Sequence[str],
        after: int,
        size: int,
        features: FeatureOptions,
        target: str,
    ) -> Sample | None:
        """Samples the images of spans after one, in the folders of some splits, to a file."""
        with self._make_beam_pipeline() as pipeline:
            _ = read_twice(pipeline, "New", uris) | WriteSample(after, size, features, target)
        return _load(target)


def _span_of(kind: str, examples: types.Artifact) -> int:
    """The span under which images or sources are held; sources may have none of their own."""
    span = examples.get_int_custom_property(names.SOURCE_SPAN) if kind == "sources" else 0
    return span or examples.get_int_custom_property(names.SPAN)


def _load(uri: str) -> Sample | None:
    return Sample.load(uri) if fileio.exists(uri) else None
