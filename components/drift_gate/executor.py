"""The TFX executor of DriftGate: samples the new images, compares them, warns or holds them."""

import json
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
from components.drift_gate.verdict import judge
from components.features import check_available
from components.features.options import FeatureOptions
from components.images.records import read_twice
from trainer.common import exit_codes
from trainer.examples import EVAL, TRAIN


class DriftError(ValueError):
    """The new images differ too much from earlier ones and are held for review."""

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
            DriftError: the images have drifted, and `on_drift` is hold.
            FeatureError: the weights of the feature space are missing or not the pinned ones.
        """
        options = DriftOptions.model_validate_json(exec_properties["options"])
        features = FeatureOptions.model_validate_json(exec_properties["features"])
        check_available(features)
        examples = artifact_utils.get_single_instance(input_dict["examples"])
        before = next(iter(input_dict.get("reference") or []), None)
        output = artifact_utils.get_single_instance(output_dict[names.VERDICT])
        span = examples.get_int_custom_property(names.SPAN)
        seen = before.get_int_custom_property(names.SPAN) if before else -1
        # A reference without spans may hold the images that have them now.
        comparable = before is not None and bool(seen) == bool(span)
        # Without spans, all are new each time.
        after = seen if comparable and span and seen <= span else -1
        uris = [artifact_utils.get_split_uri([examples], split) for split in (TRAIN, EVAL)]
        target = f"{output.uri}/{names.NEWEST_NPZ}"
        newest = self._draw(uris, after, options.images, features, target)
        earlier = _load(f"{before.uri}/{names.REFERENCE_NPZ}") if comparable else None
        result = judge(newest, earlier, options)
        if result.reference:
            result.reference.save(f"{output.uri}/{names.REFERENCE_NPZ}")
        with fileio.open(f"{output.uri}/{names.VERDICT_JSON}", "w") as file:
            json.dump(result.to_json(), file, indent=2)
        output.set_int_custom_property(names.SPAN, span)
        output.set_int_custom_property(names.DRIFTED, int(result.drifted))
        output.set_string_custom_property(names.SUMMARY, result.summary)
        output.set_string_custom_property(names.REFERENCE, before.uri if before else "")
        output.set_int_custom_property(names.EXAMPLES, examples.id)
        space = result.reference.space if result.reference else ""
        output.set_string_custom_property(names.SPACE, space)
        if result.drifted and options.on_drift == "hold":
            raise DriftError(
                f"the images{f' of span {span}' if span else ''} drifted: {result.summary}. To "
                "accept them in one run: drift.on_drift=warn"
                + (f" and data.span={span}" if span else ""),
                span,
            )
        level = logging.WARNING if result.drifted else logging.INFO
        logging.log(level, "Drift: %s", result.summary)

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


def _load(uri: str) -> Sample | None:
    return Sample.load(uri) if fileio.exists(uri) else None
