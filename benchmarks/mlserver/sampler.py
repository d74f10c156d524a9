"""A pushed model as a runtime of MLServer, in MLServer's own environment."""

import tensorflow as tf
from mlserver import MLModel
from mlserver.codecs import Base64Codec, NumpyCodec
from mlserver.types import InferenceRequest, InferenceResponse


class Sampler(MLModel):
    """`serving_default` of the SavedModel that parameters.uri names."""

    async def load(self) -> bool:
        """Loads the model."""
        self._model = tf.saved_model.load(self.settings.parameters.uri)
        return True

    async def predict(self, payload: InferenceRequest) -> InferenceResponse:
        """Draws an image for each seed, INT64 [N]: its PNG in base64."""
        seeds = tf.constant(NumpyCodec.decode_input(payload.inputs[0]), tf.int64)
        images = self._model.signatures["serving_default"](seed=seeds)["image_bytes"].numpy()
        output = Base64Codec.encode_output("image_bytes", list(images))
        return InferenceResponse(model_name=self.name, outputs=[output])
