"""A model that is not there."""

from types import SimpleNamespace


def sampler(source=None, **conversion):
    """Stands in for a model that is loaded."""
    metadata = {"source": source and source.model_dump(), "conversion": conversion}
    return SimpleNamespace(source=source, image_shape=lambda: (8, 8, 3), metadata=metadata)
