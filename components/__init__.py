"""The project's own TFX components, a folder each: component.py the spec, executor.py the work."""

from importlib import import_module

import trainer  # noqa: F401  sets options of TensorFlow, before TFX imports it

# Vertex AI knows an artifact's type by its TYPE_NAME alone, and imports it as package.Class.
_ARTIFACT_TYPES = {
    "DataVerdict": "components.data_gate.component",
    "DriftVerdict": "components.drift_gate.artifact",
    "ImageFeatures": "components.real_features.artifact",
}


def __getattr__(name: str) -> type:
    """Imports an artifact type when it is asked for, and TFX not before."""
    if name not in _ARTIFACT_TYPES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_ARTIFACT_TYPES[name]), name)
