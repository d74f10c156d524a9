"""Feature spaces: each maps images to the vectors that the metrics compare.

The configuration selects one (`evaluate.features`), by the name of what computes it. Images are
uint8 [N, H, W, C], gray or RGB, and vectors float32 [N, d]; networks resize with antialiasing. A
vector depends on its image alone, not on the batch.
"""

import importlib
from collections.abc import Callable

import numpy as np

from components.features.digest import FeatureError, read_pinned
from components.features.lite0_weights import load_weights
from components.features.options import LITE0, ONNX, FeatureOptions

# uint8 [N, H, W, 1 or 3] to float32 [N, d]
Extractor = Callable[[np.ndarray], np.ndarray]


def check_available(options: FeatureOptions) -> None:
    """Checks that a feature space can be loaded, without loading it.

    Raises:
        FeatureError: its weights are missing or have another digest, or its library is missing.
    """
    if options.kind == LITE0:
        load_weights()
    if options.kind == ONNX:
        _check_onnxruntime()
        read_pinned(options.uri, options.sha256)


def load_extractor(options: FeatureOptions) -> Extractor:
    """Loads a feature space; meant to be called once per worker.

    Raises:
        FeatureError: as `check_available`, or the weights belong to another network.
    """
    if options.kind == ONNX:
        _check_onnxruntime()
    # Imported on use: a configuration is read without the libraries of the spaces. The statements
    # are literal, for source_hash follows them.
    match options.kind:
        case "auto":
            raise FeatureError("evaluate.features: auto must be chosen before a component starts")
        case "pixels":
            from components.features.pixels import load
        case "random_conv":
            from components.features.random_conv import load
        case "efficientnet-lite0":
            from components.features.efficientnet_lite0 import load
        case "onnx":
            from components.features.onnx_network import load
    return load(options)


def _check_onnxruntime() -> None:
    try:
        importlib.import_module("onnxruntime")
    except ImportError:
        raise FeatureError(
            "evaluate.features: onnx:URI requires onnxruntime; in the folder of the project, run: "
            "pip install '.[onnx]'"
        ) from None
