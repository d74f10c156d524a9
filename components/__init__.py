"""The project's own TFX components, a folder each: component.py the spec, executor.py the work."""

import trainer  # noqa: F401  sets options of TensorFlow, before TFX imports it
