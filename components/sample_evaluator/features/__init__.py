"""Feature spaces: each maps images to the vectors that the metrics compare."""

from collections.abc import Callable

import numpy as np

from components.sample_evaluator.features.pixels import pixels

# uint8 [N, H, W, C] to float32 [N, d]
Extractor = Callable[[np.ndarray], np.ndarray]

_EXTRACTORS: dict[str, Extractor] = {"pixels": pixels}


def load_extractor(name: str) -> Extractor:
    """Returns the feature space of this name (`EvaluateOptions.features`).

    Raises:
        KeyError: no feature space has this name.
    """
    return _EXTRACTORS[name]
