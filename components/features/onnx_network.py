"""Feature spaces `onnx:URI`: an ONNX model that maps images to vectors, run by onnxruntime.

Its only input is [N, 3, height, width] or [N, height, width, 3], uint8 (0 to 255) or float32 (0 to
1, or normalized by `mean` and `stddev`); its only output with two dimensions is [N, d]. Height and
width are fixed, or open if the model resizes by itself. If the weights are separate files, the URI
is that of the folder with all files.
"""

from collections.abc import Callable

import numpy as np
import onnxruntime

from components.features.digest import pinned
from components.features.errors import FeatureError
from components.features.network import BATCH_SIZE, make_extractor
from components.features.network_input import declared_input
from components.features.options import FeatureOptions
from trainer.common.text import first_line

DTYPES = {"tensor(uint8)": np.uint8, "tensor(float)": np.float32}


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the model, to run on the CPU.

    Raises:
        FeatureError: the file is missing, has another digest, or does not contain such a model.
    """
    settings = onnxruntime.SessionOptions()
    settings.log_severity_level = 3  # errors
    with pinned(options.uri, options.sha256) as path:
        models = [path] if path.is_file() else list(path.glob("*.onnx"))
        if len(models) != 1:
            raise FeatureError(f"{options.name} contains {len(models)} models *.onnx: must be one")
        try:
            session = onnxruntime.InferenceSession(
                str(models[0]), settings, providers=["CPUExecutionProvider"]
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
    height, width = shape[2:] if channels_first else shape[1:3]
    images = declared_input(options, DTYPES.get(declared.type, declared.type), height, width)

    def run(batch: np.ndarray) -> np.ndarray:
        batch = np.ascontiguousarray(batch.transpose(0, 3, 1, 2) if channels_first else batch)
        [features] = session.run(vectors, {declared.name: batch})
        return features

    return make_extractor(options.name, images.prepare, run, shape[0] or BATCH_SIZE)
