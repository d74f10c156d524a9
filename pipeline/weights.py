"""The number of weights of a network by its options, without TensorFlow."""

from functools import partial

from trainer.options import PIXEL_WIDTH, ModelOptions


def count_weights(
    options: ModelOptions, image_channels: int, nb_class: int = 0, source_channels: int = 0
) -> int:
    """Counts the weights of `trainer.networks.unet.build_unet`.

    Args:
        options: of the network.
        image_channels: 1 or 3.
        nb_class: number of classes that it is conditioned on; 0: none.
        source_channels: channels of the source that it sees; 0: none.
    """
    widths, seen = options.channels, image_channels + source_channels
    embedded = 4 * widths[0]
    modulated = options.time_embedding == "scale_shift"
    residual = partial(_residual, embedded=embedded, modulated=modulated)
    total = _layer(widths[0], embedded) + _layer(embedded, embedded)
    total += (nb_class + 1) * embedded if nb_class else 0
    total += _layer(seen * options.patch**2, widths[0], 9)
    skips, x = [widths[0]], widths[0]
    levels = list(zip(widths, options.attention, strict=True))
    for level, (width, attention) in enumerate(levels):
        for _ in range(options.blocks):
            total += residual(x, width) + attention * _attention(width)
            x = width
            skips.append(x)
        if level < len(levels) - 1:
            total += _layer(width, width, 9)
            skips.append(width)
    total += 2 * residual(x, x) + _attention(x)
    for level, (width, attention) in reversed(list(enumerate(levels))):
        for _ in range(options.blocks + 1):
            total += residual(x + skips.pop(), width) + attention * _attention(width)
            x = width
        total += _layer(width, width, 9) if level else 0
    total += _norm(x)
    if options.prediction == "gaussian":
        return total + _layer(x, 2 * image_channels * options.patch**2, 9)
    if options.patch > 1:
        total += _layer(x, PIXEL_WIDTH * options.patch**2, 9)
        x = PIXEL_WIDTH + seen
        total += _layer(embedded, image_channels)
    return total + _layer(x, image_channels, 9)


def _layer(inputs: int, outputs: int, kernel: int = 1) -> int:
    """A dense layer or a convolution, whose kernel has so many pixels."""
    return kernel * inputs * outputs + outputs


def _norm(width: int) -> int:
    return 2 * width


def _residual(inputs: int, width: int, embedded: int, modulated: bool) -> int:
    shortcut = _layer(inputs, width) if inputs != width else 0
    convolutions = _layer(inputs, width, 9) + _layer(width, width, 9)
    time = _layer(embedded, 2 * width if modulated else width)
    return _norm(inputs) + _norm(width) + convolutions + time + shortcut


def _attention(width: int) -> int:
    return _norm(width) + 4 * _layer(width, width)
