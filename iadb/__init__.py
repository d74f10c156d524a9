"""Models that iadb-tfx made, and the Keras model behind them, for Python programs.

    import iadb

    model = iadb.load("workspace")
    drawn = model.sample(16, seed=0)      # uint8 [16, H, W, C]
    drawn.images[0].save("first.png")     # as an image of Pillow

TensorFlow is imported when it is needed, TFX never.
"""

from typing import Any

from iadb.model import Model, load

__all__ = ["IADBModel", "Model", "load"]


def __getattr__(name: str) -> Any:
    if name == "IADBModel":
        from trainer.iadb import IADBModel

        return IADBModel
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
