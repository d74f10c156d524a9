"""Feature spaces `onnx:URI`: an ONNX model that maps images to vectors, run by onnxruntime.

Its only input is [N, 3, height, width] or [N, height, width, 3], uint8 (0 to 255) or float32 (0 to
1, or normalized by `mean` and `stddev`); its only output with two dimensions is [N, d]. Height and
width are fixed, or open if the model resizes by itself. The weights are in the same file.
"""

import os
from collections.abc import Callable

import numpy as np
import onnxruntime

from components.features.digest import FeatureError, read_pinned
from components.features.network import BATCH_SIZE, make_extractor, resize
from components.features.options import FeatureOptions
from trainer.common.text import first_line

EXTERNAL_WEIGHTS = "session.model_external_initializers_file_folder_path"
UINT8, FLOAT32 = "tensor(uint8)", "tensor(float)"


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the model, to run on the CPU.

    Raises:
        FeatureError: the file is missing, has another digest, or does not contain such a model.
    """
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors
    settings.add_session_config_entry(EXTERNAL_WEIGHTS, os.devnull)  # they are not pinned
    content = read_pinned(options.uri, options.sha256)
    try:
        session = onnxruntime.InferenceSession(
            content, settings, providers=["CPUExecutionProvider"]
        )
    except Exception as error:  # onnxruntime raises many types on a damaged file
        raise FeatureError(
            f"{options.name} does not load as an ONNX model: {first_line(error)}"
        ) from error
    vectors = [output.name for output in session.get_outputs() if len(output.shape) == 2]
    if len(session.get_inputs()) != 1 or len(vectors) != 1:
        raise FeatureError(
            f"{options.name} has {len(session.get_inputs())} inputs and {len(vectors)} outputs "
            "with two dimensions: must have one of each"
        )
    [declared] = session.get_inputs()
    # An open dimension is a name or None.
    shape = [side if isinstance(side, int) else None for side in declared.shape]
    channels_first = len(shape) == 4 and shape[1] == 3
    if not channels_first and not (len(shape) == 4 and shape[3] == 3):
        raise FeatureError(
            f"{options.name} takes {declared.shape}: must be images [N, 3, height, width] or "
            "[N, height, width, 3]"
        )
    prepare = _preparation(options, declared.type, *(shape[2:] if channels_first else shape[1:3]))

    def run(batch: np.ndarray) -> np.ndarray:
        batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if channels_first else batch)
        [features] = session.run(vectors, {declared.name: batch})
        return features

    return make_extractor(options.name, prepare, run, shape[0] or BATCH_SIZE)


def _preparation(
    options: FeatureOptions, dtype: str, height: int | None, width: int | None
) -> Callable[[np.ndarray], np.ndarray]:
    """Combines the declared input of a network with the configuration.

    Args:
        options: `resolution`, `mean` and `stddev`.
        dtype: of the network's input, as onnxruntime names it.
        height: of it, in pixels; None if the network accepts any.
        width: likewise.

    Returns:
        A function from uint8 [N, H, W, 3] to [N, height, width, 3] of the network's type.

    Raises:
        FeatureError: they contradict each other, or the type is neither uint8 nor float32.
    """
    if dtype not in (UINT8, FLOAT32):
        raise FeatureError(f"{options.name} takes {dtype}: must be uint8 or float32")
    if dtype == UINT8 and (options.mean or options.stddev):
        raise FeatureError(f"{options.name} takes uint8: mean and stddev are for float32")
    side = options.resolution
    if side and (height or side, width or side) != (side, side):
        raise FeatureError(f"{options.name} takes images {height}x{width}, not resolution={side}")
    height, width = height or side, width or side
    if (height is None) != (width is None):
        raise FeatureError(f"{options.name} fixes one side of its images: set resolution")
    mean = np.array(options.mean or (0, 0, 0), np.float32)
    stddev = np.array(options.stddev or (1, 1, 1), np.float32)

    def prepare(images: np.ndarray) -> np.ndarray:
        values = resize(images, height, width) if height else images
        if dtype == UINT8:
            return np.rint(values).clip(0, 255).astype(np.uint8)
        return (values / np.float32(255) - mean) / stddev

    return prepare
