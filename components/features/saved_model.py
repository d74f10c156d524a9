"""Feature spaces `saved_model:URI`: a TensorFlow SavedModel that maps images to vectors.

Its signature `serving_default` takes one tensor [N, height, width, 3], uint8 (0 to 255) or float32
(0 to 1, or normalized by `mean` and `stddev`), and returns one tensor [N, d]. Height and width are
fixed, or open if the model resizes by itself.
"""

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from components.features.digest import pinned
from components.features.errors import FeatureError
from components.features.network import BATCH_SIZE, make_extractor
from components.features.network_input import declared_input
from components.features.options import FeatureOptions
from trainer.common.text import first_line

SIGNATURE = "serving_default"


def load(options: FeatureOptions) -> Callable[[np.ndarray], np.ndarray]:
    """Loads the SavedModel.

    Raises:
        FeatureError: the folder is missing, has another digest, or does not contain such a model.
    """
    with pinned(options.uri, options.sha256) as path:
        try:
            model = tf.saved_model.load(str(path))
            signature = model.signatures[SIGNATURE]
        except Exception as error:  # TensorFlow raises many types on a damaged SavedModel
            raise FeatureError(
                f"{options.name} does not load as a SavedModel with the signature {SIGNATURE!r}: "
                f"{first_line(error)}"
            ) from error
    inputs = signature.structured_input_signature[1]
    outputs = signature.structured_outputs
    if len(inputs) != 1 or len(outputs) != 1:
        raise FeatureError(
            f"{options.name} takes {', '.join(sorted(inputs)) or 'nothing'} and returns "
            f"{', '.join(sorted(outputs)) or 'nothing'}: must have one input and one output"
        )
    [(input_name, spec)], [output_name] = inputs.items(), outputs
    if spec.shape.rank != 4 or spec.shape[3] not in (None, 3):
        raise FeatureError(
            f"{options.name} takes {spec.shape}: must be images [N, height, width, 3]"
        )
    fixed_batch, height, width, _ = spec.shape
    images = declared_input(options, spec.dtype.as_numpy_dtype, height, width)

    def run(batch: np.ndarray) -> np.ndarray:
        # The signatures do not keep the model alive; this closure does.
        return model.signatures[SIGNATURE](**{input_name: tf.constant(batch)})[output_name]

    return make_extractor(options.name, images.prepare, run, fixed_batch or BATCH_SIZE)
