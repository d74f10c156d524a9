"""The time-conditional U-Net that deblends, equal to diffusers' UNet2DModel layer by layer.

It has levels from full resolution down with `blocks` residual blocks each (one more on the way up),
optional self-attention after every block, and one attention block in the middle. Ho et al.,
"Denoising Diffusion Probabilistic Models" (2020), appendix B. tests/parity checks the equality with
diffusers' weights and outputs.

With `patch` above 1, squares of pixels become channels at the input and pixels again at the output
(Hoogeboom, Heek and Salimans, "simple diffusion", ICML 2023, section 3.3). Where the network
predicts the difference itself, the last layer then works on pixels, and a share of x_alpha is
added, or samples would show the squares.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
import numpy as np
from keras import layers

from trainer.networks.attention import DotProductAttention
from trainer.networks.augmentations import LEVELS, decode, describe
from trainer.networks.group_norm import GroupNorm, ModulatedGroupNorm
from trainer.networks.local_gaussian import LocalGaussian
from trainer.networks.silu import Silu
from trainer.options import PIXEL_WIDTH, ModelOptions

EPSILON = 1e-5  # of every GroupNorm
MAX_PERIOD = 10_000.0  # longest wave of the sinusoidal embedding
# Parts of the names of layers that Adam updates: those on pixels, and those that scale and shift by
# alpha, for which Muon would take as long as for convolutions.
LEFT_TO_ADAM = ("conv_in", "conv_out", "share", "modulation")

# The network of the official IADB code (Heitz et al., SIGGRAPH 2023) for 64x64 RGB images:
# 113,673,219 parameters.
PUBLISHED = ModelOptions(
    channels=(128, 128, 256, 256, 512, 512),
    blocks=2,
    attention=(False, False, False, False, True, False),
    attention_head_dim=8,
    norm_groups=32,
    alpha_scale=1.0,
)


@keras.saving.register_keras_serializable("iadb")
class SinusoidalEmbedding(layers.Layer):
    """Embeds alpha, float [N], as cosines and sines of geometric frequencies, float32 [N, dim].

    If dim is odd, the last value is zero. Those of a mirrored image have the opposite sign, and
    each other transform moves them in a direction of its own (trainer/networks/augmentations.py).
    """

    def __init__(self, dim: int, scale: float, **kwargs: object) -> None:
        super().__init__(dtype="float32", **kwargs)
        self.dim, self.scale = dim, scale
        # Any that differ. They are not among the weights, so they follow from a formula.
        places = np.outer(np.arange(1, len(LEVELS)), np.arange(1, dim // 2 * 2 + 1) ** 2)
        self._directions = np.cos(places).astype(np.float32)

    def call(self, alpha: keras.KerasTensor) -> keras.KerasTensor:
        """Embeds a batch of alphas."""
        ops = keras.ops
        alpha, code = decode(alpha)
        mirrored, others = ops.split(describe(code), [1], axis=1)
        half = self.dim // 2
        exponents = ops.arange(half, dtype="float32") / half
        angles = self.scale * alpha[:, None] * ops.exp(-ops.log(MAX_PERIOD) * exponents)[None]
        waves = ops.concatenate([ops.cos(angles), ops.sin(angles)], axis=-1)
        waves = ops.where(mirrored > 0, -waves, waves) + ops.matmul(others, self._directions)
        return ops.pad(waves, [[0, 0], [0, 1]]) if self.dim % 2 else waves

    def get_config(self) -> dict:
        """Returns what Keras needs to clone the layer."""
        config = super().get_config()
        config.pop("dtype")
        return config | {"dim": self.dim, "scale": self.scale}


def build_unet(
    options: ModelOptions,
    shape: tuple[int, int, int],
    precision: str = "float32",
    nb_class: int = 0,
    source_channels: int = 0,
) -> keras.Model:
    """Builds the network.

    Args:
        options: widths, depth, attention.
        shape: (H, W, C) of an image, with H and W divisible by options.side_factor.
        precision: data type of the computation: float32, bfloat16 or float16, not auto
            (trainer/fit/precision.py); variables are float32. With float16, compile with
            keras.optimizers.LossScaleOptimizer: small gradients would be 0.
        nb_class: number of classes that the network is conditioned on; 0: none.
        source_channels: channels of a source that follow those of the image at the input; 0: none.

    Returns:
        A model from [x float32 [N, H, W, C + source_channels], alpha float32 [N]] to the deblended
        difference x1 - x0, float32 [N, H, W, C]. In training alpha also has how an image is
        augmented (trainer/networks/augmentations.py). With classes it takes a third input, label
        int64 [N], 0 to nb_class; nb_class stands for no label.

    Raises:
        ValueError: H or W is not divisible.
    """
    factor = options.side_factor
    if any(side % factor for side in shape[:2]):
        raise ValueError(
            f"images of {shape[0]}x{shape[1]} do not fit {len(options.channels)} levels and "
            f"patches of {options.patch}: both sides must be multiples of {factor}"
        )
    with _dtype_policy(precision):
        return _build(options, shape, nb_class, source_channels)


def _build(
    options: ModelOptions, shape: tuple[int, int, int], nb_class: int, source_channels: int
) -> keras.Model:
    image = keras.Input((*shape[:2], shape[2] + source_channels), name="x_alpha")
    inputs = [image, keras.Input((), name="alpha")]
    if nb_class:
        inputs.append(keras.Input((), dtype="int64", name="label"))
    time = _embedding(inputs[1:], options, nb_class)

    x = layers.Conv2D(options.channels[0], 3, padding="same", name="conv_in")(
        _to_patches(image, options.patch)
    )
    skips = [x]
    levels = list(enumerate(zip(options.channels, options.attention, strict=True)))
    for level, (width, attention) in levels:
        for block in range(options.blocks):
            x = _residual(x, time, width, options, f"down{level}_block{block}")
            if attention:
                x = _attention(x, options, f"down{level}_attention{block}")
            skips.append(x)
        if level < len(levels) - 1:
            x = layers.ZeroPadding2D(1)(x)
            x = layers.Conv2D(width, 3, strides=2, name=f"down{level}_downsample")(x)
            skips.append(x)

    x = _residual(x, time, options.channels[-1], options, "mid_block0")
    x = _attention(x, options, "mid_attention")
    x = _residual(x, time, options.channels[-1], options, "mid_block1")

    for level, (width, attention) in reversed(levels):
        for block in range(options.blocks + 1):
            x = layers.Concatenate()([x, skips.pop()])
            x = _residual(x, time, width, options, f"up{level}_block{block}")
            if attention:
                x = _attention(x, options, f"up{level}_attention{block}")
        if level:
            x = layers.UpSampling2D(2, interpolation="nearest")(x)
            x = layers.Conv2D(width, 3, padding="same", name=f"up{level}_upsample")(x)

    x = Silu()(_norm(x, options, "norm_out"))
    channels = shape[-1]
    x_alpha = image if not source_channels else image[..., :channels]
    if options.prediction == "gaussian":
        width = 2 * channels * options.patch**2
        x = layers.Conv2D(width, 3, padding="same", name="conv_out")(x)
        x = LocalGaussian(name="difference")([_from_patches(x, options.patch), x_alpha, inputs[1]])
    else:
        x = _difference(x, image, channels, options)
        if options.patch > 1:
            x = layers.Add(dtype="float32")([x, _share(x_alpha, time)])
    return keras.Model(inputs, x, name="unet")


def _difference(
    x: keras.KerasTensor, image: keras.KerasTensor, channels: int, options: ModelOptions
) -> keras.KerasTensor:
    """The last layers of a network that predicts the difference itself, [N, H, W, C]."""
    if options.patch > 1:
        width = PIXEL_WIDTH * options.patch**2
        x = layers.Conv2D(width, 3, padding="same", name="conv_patches")(x)
        x = Silu()(_from_patches(x, options.patch))
        x = layers.Concatenate()([x, image])
    x = layers.Conv2D(channels, 3, padding="same", name="conv_out")(x)
    return layers.Activation("linear", dtype="float32", name="difference")(x)


def _share(x_alpha: keras.KerasTensor, time: keras.KerasTensor) -> keras.KerasTensor:
    """A share of x_alpha that depends on alpha, [N, H, W, C]; at first none.

    What alternates from pixel to pixel over the whole image is, in patches, the mean of a channel.
    Group normalization hides it from the network, which then leaves the noise there as it is.
    """
    channels = x_alpha.shape[-1]
    share = layers.Dense(channels, kernel_initializer="zeros", dtype="float32", name="share")(time)
    return layers.Multiply(dtype="float32")([layers.Reshape((1, 1, channels))(share), x_alpha])


def _to_patches(image: keras.KerasTensor, side: int) -> keras.KerasTensor:
    """[N, height, width, C] -> [N, height / side, width / side, side * side * C]."""
    if side == 1:
        return image
    _, height, width, channels = image.shape
    x = layers.Reshape((height // side, side, width // side, side * channels))(image)
    x = layers.Permute((1, 3, 2, 4))(x)
    return layers.Reshape((height // side, width // side, side * side * channels))(x)


def _from_patches(x: keras.KerasTensor, side: int) -> keras.KerasTensor:
    """The inverse of `_to_patches`."""
    if side == 1:
        return x
    _, rows, columns, width = x.shape
    x = layers.Reshape((rows, columns, side, width // side))(x)
    x = layers.Permute((1, 3, 2, 4))(x)
    return layers.Reshape((rows * side, columns * side, width // side**2))(x)


def _embedding(
    condition: list[keras.KerasTensor], options: ModelOptions, nb_class: int
) -> keras.KerasTensor:
    alpha, *label = condition
    width = options.channels[0]
    x = SinusoidalEmbedding(width, options.alpha_scale, name="time_sinusoids")(alpha)
    x = layers.Dense(4 * width, activation="silu", name="time_dense0")(x)
    x = layers.Dense(4 * width, name="time_dense1")(x)
    if label:
        # Apart from the start, as in diffusers: from zeros they grow to a tenth of this while the
        # rest is trained, and "no label" draws mixtures of classes.
        apart = keras.initializers.RandomNormal(stddev=1.0)
        classes = layers.Embedding(
            nb_class + 1, 4 * width, embeddings_initializer=apart, name="class_embedding"
        )
        x = layers.Add()([x, classes(*label)])
    # In diffusers every use of the embedding starts with this activation; here it is done once.
    return Silu()(x)


def _norm(x: keras.KerasTensor, options: ModelOptions, name: str) -> keras.KerasTensor:
    return GroupNorm(options.norm_groups, EPSILON, name=name)(x)


def _residual(
    x: keras.KerasTensor, time: keras.KerasTensor, width: int, options: ModelOptions, name: str
) -> keras.KerasTensor:
    h = Silu()(_norm(x, options, f"{name}_norm0"))
    h = layers.Conv2D(width, 3, padding="same", name=f"{name}_conv0")(h)
    if options.time_embedding == "scale_shift":
        t = layers.Dense(2 * width, name=f"{name}_modulation")(time)
        h = ModulatedGroupNorm(options.norm_groups, EPSILON, name=f"{name}_norm1")([h, t])
        start = "zeros"  # a block begins as its shortcut, as in the networks of that paper
    else:
        t = layers.Dense(width, name=f"{name}_time")(time)
        h = layers.Add()([h, layers.Reshape((1, 1, width))(t)])
        h = _norm(h, options, f"{name}_norm1")
        start = "glorot_uniform"
    h = Silu()(h)
    if options.dropout:
        h = layers.Dropout(options.dropout)(h)
    last = f"{name}_conv1"
    h = layers.Conv2D(width, 3, padding="same", kernel_initializer=start, name=last)(h)
    if x.shape[-1] != width:
        x = layers.Conv2D(width, 1, name=f"{name}_shortcut")(x)
    return layers.Add()([x, h])


def _attention(x: keras.KerasTensor, options: ModelOptions, name: str) -> keras.KerasTensor:
    _, height, width, channels = x.shape
    h = layers.Reshape((height * width, channels))(_norm(x, options, f"{name}_norm"))
    query, key, value = (
        layers.Dense(channels, name=f"{name}_{part}")(h) for part in ("query", "key", "value")
    )
    h = DotProductAttention(channels // options.attention_head_dim)([query, key, value])
    h = layers.Dense(channels, name=f"{name}_output")(h)
    return layers.Add()([x, layers.Reshape((height, width, channels))(h)])


@contextmanager
def _dtype_policy(precision: str) -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("float32" if precision == "float32" else f"mixed_{precision}")
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
