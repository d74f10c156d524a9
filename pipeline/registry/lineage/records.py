"""What single records of ML Metadata say."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from ml_metadata.proto import metadata_store_pb2 as mlmd

from components.image_example_gen import names as example_names


def properties(record: mlmd.Artifact | mlmd.Execution | mlmd.Context | None) -> dict[str, Any]:
    """The properties of a record by name, custom ones and those of its type; empty for None."""
    if record is None:
        return {}
    # A map of protocol buffers changes its order from one read to the next.
    found = sorted({**record.properties, **record.custom_properties}.items())
    return {name: getattr(value, value.WhichOneof("value")) for name, value in found}


def spans_of(examples: Mapping[str, Any]) -> tuple[int, ...]:
    """The spans of a dataset by its properties."""
    return tuple(json.loads(examples.get(example_names.SPANS, "[]")))


def metrics_of(evaluation: mlmd.Artifact | None) -> dict[str, float]:
    """The metrics that an evaluation recorded, by name; empty for None."""
    return {k: v for k, v in properties(evaluation).items() if type(v) is float}


def recorded_at(artifact: mlmd.Artifact) -> datetime:
    """When an artifact was recorded, in the local time zone."""
    return datetime.fromtimestamp(artifact.create_time_since_epoch / 1000).astimezone()
