"""A network trained in seconds: a classifier of digits as a feature space."""

import keras
import numpy as np
import tensorflow as tf
import tf2onnx

from components.features.digest import digest
from components.features.options import FeatureOptions

DIMENSION = 32
EPOCHS = 30


def write_classifier(path, images):
    """Trains on planted_models.Images of 8x8 pixels; writes what stands before the classes.

    Returns:
        The options of the feature space, and the share of the images that it classifies rightly.
    """
    keras.utils.set_random_seed(0)
    x = inputs = keras.Input((8, 8, 3))
    for width in (16, 32):
        x = keras.layers.Conv2D(width, 3, padding="same", activation="relu")(x)
    x = keras.layers.Flatten()(keras.layers.AveragePooling2D(2)(x))
    features = keras.layers.Dense(DIMENSION, activation="tanh")(x)
    classifier = keras.Model(inputs, keras.layers.Dense(10)(features))
    classifier.compile("adam", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    values = np.repeat(images.pixels / np.float32(255), 3, axis=-1)
    classifier.fit(values, images.labels, batch_size=64, epochs=EPOCHS, verbose=0)
    accuracy = (classifier.predict(values, verbose=0).argmax(axis=1) == images.labels).mean()

    network = keras.Model(inputs, features)
    tf2onnx.convert.from_function(
        tf.function(lambda images: network(images)),
        [tf.TensorSpec((None, 8, 8, 3), tf.float32, "images")],
        opset=17,
        output_path=str(path),
    )
    return FeatureOptions(name=f"onnx:{path}", sha256=digest(str(path))), accuracy
