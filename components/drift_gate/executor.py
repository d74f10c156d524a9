"""The TFX executor of DriftGate: samples the new images, compares them, warns or holds them."""

import json
from typing import Any

from absl import logging
from tfx import types
from tfx.dsl.components.base import base_beam_executor
from tfx.dsl.io import fileio
from tfx.types import artifact_utils

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


class Executor(base_beam_executor.BaseBeamExecutor):
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
        after = seen if seen < span else -1  # without spans, all images are new each time
        newest = self._draw(examples, after, options.images, features, output.uri)
        reference = _load(f"{before.uri}/{names.REFERENCE_NPZ}") if before else None
        verdict = judge(newest, reference, options)
        with fileio.open(f"{output.uri}/{names.VERDICT_JSON}", "w") as file:
            json.dump(verdict.to_json(), file, indent=2)
        if verdict.reference:
            verdict.reference.save(f"{output.uri}/{names.REFERENCE_NPZ}")
        output.set_int_custom_property(names.DRIFTED, int(verdict.drifted))
        output.set_string_custom_property(names.SUMMARY, verdict.summary)
        output.set_string_custom_property(names.REFERENCE, before.uri if before else "")
        output.set_int_custom_property(names.EXAMPLES, examples.id)
        output.set_int_custom_property(names.SPAN, span)
        if verdict.drifted and options.on_drift == "hold":
            raise DriftError(
                f"the images of span {span} drifted: {verdict.summary}. To accept them: "
                f"`iadb spans release {span}`; to continue regardless: drift.on_drift=warn"
            )
        logging.log(
            logging.WARNING if verdict.drifted else logging.INFO, "Drift: %s", verdict.summary
        )

    def _draw(
        self,
        examples: types.Artifact,
        after: int,
        size: int,
        features: FeatureOptions,
        folder: str,
    ) -> Sample | None:
        """Samples the images of spans after one, except those of data.holdout."""
        uris = [artifact_utils.get_split_uri([examples], split) for split in (TRAIN, EVAL)]
        target = f"{folder}/{names.NEWEST_NPZ}"
        with self._make_beam_pipeline() as pipeline:
            _ = read_twice(pipeline, "New", uris) | WriteSample(after, size, features, target)
        return _load(target)


def _load(uri: str) -> Sample | None:
    return Sample.load(uri) if fileio.exists(uri) else None
