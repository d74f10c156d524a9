"""Loads a sampler SavedModel as a server does, without this project, and calls every signature.

Run as a script in its own process: `python -I serve_check.py MODEL_FOLDER`. Prints one line per
signature; exits with 1 if one breaks the contract.
"""

import json
import os
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

PROJECT = {"pipeline", "components", "trainer", "data"}
METADATA = "assets.extra/iadb.json"
NETWORKS = {"deblend", "slope"}  # signatures; the second of models with autoguidance
COUNT, STEPS = 3, 2  # images and solver steps of each call

Inputs = dict[str, Any]  # tensors by name


class NoProject:
    """Rejects imports of the project's own packages."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> None:
        """Raises ImportError for the project's packages."""
        if name.partition(".")[0] in PROJECT:
            raise ImportError(f"{name} is not available where a model is served")


def main(folder: str) -> None:
    """Checks the model in the folder."""
    sys.meta_path.insert(0, NoProject())
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_FORCE_GPU_ALLOW_GROWTH", "true")  # beside a training
    import tensorflow as tf

    signatures = tf.saved_model.load(folder).signatures
    with tf.io.gfile.GFile(f"{folder}/{METADATA}") as file:
        metadata = json.load(file)
    names = metadata.get("labels")
    label = {"label": tf.constant([names[-1]] * (COUNT - 1) + [""])} if names else {}

    def call(name: str, **inputs: tf.Tensor) -> tf.Tensor:
        _, asked = signatures[name].structured_input_signature
        assert ("label" in asked) == bool(names), f"{name}: an input label if there are labels"
        started = time.monotonic()
        ((key, value),) = signatures[name](**inputs, **label).items()
        shape = "x".join(map(str, value.shape))
        milliseconds = 1000 * (time.monotonic() - started)
        print(f"{name:<16} {key} {value.dtype.name} {shape}  {milliseconds:.0f} ms")
        return value

    if "source" in metadata:
        request = check_translator(signatures, metadata["source"], call)
    else:
        fixed = metadata["nb_step"] if metadata.get("fixed_steps") else None
        request = check_sampler(signatures, call, label, fixed)
    if names:
        try:
            signatures["serving_default"](**request, label=tf.fill([COUNT], "\n".join(names)))
        except tf.errors.InvalidArgumentError as error:
            assert "unknown label" in str(error), "serving_default: reports an unknown label"
        else:
            raise AssertionError("serving_default: rejects an unknown label")


def check_sampler(
    signatures: Mapping[str, Any], call: Callable[..., Any], label: Inputs, fixed: int | None
) -> Inputs:
    """Checks a model that draws from seeds; returns a request for `serving_default`.

    One with fixed steps always takes so many of them, and cannot be inverted.
    """
    import tensorflow as tf

    seed, steps = tf.range(COUNT, dtype=tf.int64), tf.constant(STEPS)
    image = call("generate", seed=seed, nb_step=steps)
    size = image.shape[1:]
    assert image.dtype == tf.uint8 and image.shape[0] == COUNT, "generate: one image per seed"
    second = {key: value[1:2] for key, value in {"seed": seed, **label}.items()}
    alone = signatures["generate"](**second, nb_step=steps)["image"]
    apart = tf.reduce_max(tf.abs(tf.cast(alone[0], tf.int32) - tf.cast(image[1], tf.int32)))
    assert apart <= 1, "generate: an image depends on its batch"
    png = call("serving_default", seed=seed)
    decoded = tf.io.decode_png(png[0], channels=size[-1])
    assert decoded.shape == size, "serving_default: a PNG of the image's size"
    x0 = tf.zeros(image.shape)
    if not fixed:
        x0 = call("invert", image=image, nb_step=steps)
        assert x0.shape == image.shape, "invert: one x0 per image"
    x1 = call("transport", x0=x0, nb_step=steps)
    assert x1.shape == image.shape, "transport: one x1 per x0"
    states = call("trajectory", seed=seed, nb_step=steps)
    taken = fixed or STEPS
    assert states.shape == (COUNT, taken + 1, *size), "trajectory: a state more than steps"
    assert bool(tf.reduce_all(states[:, -1] == image)), "trajectory: ends where generate does"
    for name in sorted(NETWORKS & signatures.keys()):
        difference = call(name, x_alpha=x0, alpha=tf.zeros(COUNT))
        assert difference.shape == x0.shape, f"{name}: one difference per x_alpha"
    return {"seed": seed}


def check_translator(
    signatures: Mapping[str, Any], source: Mapping[str, Any], call: Callable[..., Any]
) -> Inputs:
    """Checks a model that translates sources; returns a request for `serving_default`."""
    import tensorflow as tf

    seed, steps = tf.range(COUNT, dtype=tf.int64), tf.constant(STEPS)
    _, taken = signatures["translate"].structured_input_signature
    shape = taken["source"].shape[1:]
    values = tf.random.stateless_uniform([COUNT, *shape], [0, 0], 0, 256, tf.int32)
    pixels = tf.cast(values, tf.uint8)
    condition = {"source": pixels} if source["use"] == "condition" else {}
    seeds = {"seed": seed} if "seed" in taken else {}
    image = call("translate", source=pixels, nb_step=steps, **seeds)
    size = image.shape[1:]
    assert image.dtype == tf.uint8 and image.shape[0] == COUNT, "translate: one image per source"
    assert size[:2] == shape[:2], "translate: an image of the size of its source"
    states = call("trajectory", source=pixels, nb_step=steps, **seeds)
    assert states.shape == (COUNT, STEPS + 1, *size), "trajectory: nb_step + 1 states per image"
    assert bool(tf.reduce_all(states[:, -1] == image)), "trajectory: ends where translate does"
    x_alpha = tf.zeros([COUNT, *size])
    for name in sorted(NETWORKS & signatures.keys()):
        difference = call(name, x_alpha=x_alpha, alpha=tf.zeros(COUNT), **condition)
        assert difference.shape == x_alpha.shape, f"{name}: one difference per x_alpha"
    if source["use"] == "map":
        back = call("invert", image=image, nb_step=steps)
        assert back.shape == image.shape, "invert: one source per image"
    file = tf.io.encode_png(tf.zeros([*shape[:2], 4], tf.uint8))  # transparent: all of it a hole
    request = {"image_bytes": tf.fill([COUNT], file), **seeds}
    png = call("serving_default", **request)
    decoded = tf.io.decode_png(png[0], channels=size[-1])
    assert decoded.shape == size, "serving_default: a PNG of the image's size"
    return request


if __name__ == "__main__":
    try:
        main(sys.argv[1])
    except Exception as error:
        sys.exit(f"{type(error).__name__}: {error}")
