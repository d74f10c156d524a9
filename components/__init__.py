"""The project's own TFX components, a folder each: component.py the spec, executor.py the work."""
