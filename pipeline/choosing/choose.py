"""The configuration for the pictures at hand, from what was seen of them and the machine.

Networks and learning rates are those of the preset for the size.
"""

import functools
from collections.abc import Collection, Mapping, Sequence
from math import ceil
from typing import Any

from pipeline.choosing.look import LOW_PERCENTILE
from pipeline.choosing.machine import Machine
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import load
from pipeline.config.sections import DataConfig
from pipeline.config.values import flatten
from trainer.common.resolution import from_sides

CONDITIONAL = "model.conditional"
SMALLEST, LARGEST, LARGEST_WITH_GPU = 8, 32, 64  # longer sides of the images
LARGEST_JUDGED = 256  # of those that are only compared
MIN_SHARE = 0.8  # of a side, that most images have: those of 28 pixels are enlarged to 32
MAX_ASPECT = 2  # of the sides that are chosen
HELD_OUT = 200  # images, if they are at most MAX_EVAL_PERCENT
MIN_EVAL_PERCENT, MAX_EVAL_PERCENT = 20, 50
MAX_EPOCHS = 400  # beyond, a network has long begun to repeat its training images
FLIP_EPOCHS = 50  # passes over the images above which these are also mirrored
AUGMENT_EPOCHS = 200  # above, they are also shifted, zoomed and rotated: samples would be copies
AUGMENT = 0.15
# The weight of autoguidance after as many steps, and where it is used. A guide (train.guide_after)
# has to learn first: after 1,000 steps, it drove colors to their extremes, and after 2,400 still
# did with the larger weight (benchmarks/notes/training.md). Steps count more than their images.
AUTOGUIDANCE = {3500: (2.5, [0.1, 0.9]), 2400: (2.0, [0.2, 0.8])}
PER_CLASS = 40  # images, from which a class counts
SORTED = 0.9  # share of the images in such classes, from which samples are drawn by class
CLASS_BALANCE = 0.5  # small classes would be learned too little (benchmarks/notes/training.md)
MIN_STEPS = 1000
MIN_BATCH = 8

# The presets by the longer side of the images, whose networks and learning rates are chosen.
PRESETS = {8: "digits", 16: "digits", 32: "fashion_mnist", 64: "emoji"}
CPU_PRESETS = {8: "digits", 16: "digits", 32: "emoji32"}
NETWORK = (
    "model.patch",
    "model.prediction",
    "model.blocks",
    "model.time_embedding",
    "model.channels",
    "model.attention",
    "train.learning_rate",
)
OF_TRAINING = {  # what else is that of the preset
    "emoji": (
        "train.ema.half_life",
        "sample.nb_step",
        "sample.limits.images",
        "sample.limits.states",
    ),
    "emoji32": ("train.ema.half_life", "sample.solver", "sample.nb_step"),
}
STEPS, BATCH = {8: 1000, 16: 10_000, 32: 20_000, 64: 100_000}, 64  # with a GPU
# Steps per core on a CPU, so that 2 cores take three to five minutes at 8x8, a quarter of an hour
# at 16x16 and up to an hour at 32x32, and no more than the images of a training with a GPU.
CPU_STEPS = {8: 500, 16: 2000, 32: 5000}
FLOAT32_STEPS = {32: 2750}  # where there is no bfloat16, which trains about twice as fast
# Images in a batch where it is not that of a GPU: of so short a training, twice the steps on half
# of the images learn more in the same time (benchmarks/notes/training.md).
CPU_BATCHES = {16: 32, 32: 32}


def choose(pictures: Pictures, machine: Machine, data: DataConfig) -> dict[str, Any]:
    """Chooses values of the configuration; every other key keeps its default.

    Args:
        pictures: what was seen of the images.
        machine: that will train.
        data: a resolution and a held-out share that are set there are not chosen.

    Returns:
        Values by key with dots, such as data.resolution.
    """
    resolution = _choose_sides(pictures, _choose_longer(pictures, largest_resolution(machine)))
    percent = ceil(100 * HELD_OUT / max(pictures.usable, 1))
    percent = min(max(percent, MIN_EVAL_PERCENT), MAX_EVAL_PERCENT)
    if "resolution" in data.model_fields_set:
        resolution = data.resolution
    if "eval_percent" in data.model_fields_set:
        percent = data.eval_percent
    network = choose_network(resolution, machine)
    training = choose_training(pictures.usable * (100 - percent) // 100, resolution, machine)
    conditional = may_have_classes(data) and _are_sorted(pictures)
    return {
        **choose_images(pictures, resolution),
        "data.eval_percent": percent,
        CONDITIONAL: conditional,
        **network,
        **training,
        **choose_autoguidance(network["model.prediction"], training["train.steps"]),
        **choose_class_balance(conditional),
    }


def may_have_classes(data: DataConfig) -> bool:
    """Whether classes would do no harm.

    Sources say what to draw. Spans may have other classes, with which no warm start continues, and
    images of data.holdout none.
    """
    return not (data.source or data.degrade or data.pattern or data.holdout)


def _are_sorted(pictures: Pictures) -> bool:
    """Whether folders sort nearly all images by what they show, with enough for each class."""
    large = [count for count in pictures.kinds.values() if count >= PER_CLASS]
    sorted_well = len(large) > 1 and sum(large) >= SORTED * pictures.files
    return sorted_well and pictures.have_classes


def choose_images(pictures: Pictures, resolution: tuple[int, int]) -> dict[str, Any]:
    """The values that set how the images are converted."""
    return {
        "data.resolution": from_sides(resolution),
        "data.channels": 1 if pictures.gray else 3,
        "data.background": pictures.background,
    }


def choose_network(resolution: tuple[int, int], machine: Machine) -> dict[str, Any]:
    """The network for a resolution, with its learning rate and precision.

    Above the largest size that was tried, larger patches keep work and memory as they are there, as
    far as the sides can be divided by them. Of a network that cannot be halved as often as it has
    levels, the upper levels are left.
    """
    longer = max(*resolution, SMALLEST)
    presets = PRESETS if machine.gpus else CPU_PRESETS
    size = max(each for each in presets if each <= longer)
    network = _of_preset(presets[size], NETWORK)
    on_gpu = machine.gpus > 0 and size == LARGEST_WITH_GPU
    on_cpu = machine.bfloat16 and size == LARGEST and not machine.gpus
    for times in range(longer // size, 0, -1):
        patch = times * network["model.patch"]
        patched = {**network, "model.patch": patch}
        if patch > 1:
            patched["model.prediction"] = "gaussian"
        if not any(side % _unit(patched) for side in resolution):
            return {**patched, "train.precision": _precision(on_gpu or on_cpu)}
    network = _of_preset(PRESETS[size], NETWORK)
    while any(side % _unit(network) for side in resolution):
        for key in ("model.channels", "model.attention"):
            network[key] = network[key][:-1]
    return {**network, "train.precision": _precision(on_gpu)}


def _of_preset(name: str, keys: Collection[str]) -> dict[str, Any]:
    """Values of a preset by key with dots."""
    values = _read_preset(name)
    return {key: values[key] for key in keys}


@functools.cache
def _read_preset(name: str) -> Mapping[str, Any]:
    return dict(flatten(load(name).model_dump(mode="json")))


def _precision(is_faster: bool) -> str:
    return "auto" if is_faster else "float32"


def _unit(network: Mapping[str, Any]) -> int:
    """What both sides of the images must be divisible by."""
    return network["model.patch"] * 2 ** (len(network["model.channels"]) - 1)


def largest_resolution(machine: Machine) -> int:
    """The longer side that is chosen at most."""
    return LARGEST_WITH_GPU if machine.gpus else LARGEST


def choose_judged(real: Pictures, others: Sequence[Pictures]) -> dict[str, Any]:
    """How images are converted to be compared: as the real ones are, in a size that suits all.

    In color, if any are: gray images have no wrong colors.
    """
    longer = _choose_longer(real, LARGEST_JUDGED, others)
    in_color = not all(each.gray for each in (real, *others))
    chosen = choose_images(real, _choose_sides(real, longer))
    return {**chosen, "data.channels": 3 if in_color else 1}


def _choose_longer(pictures: Pictures, longer: int, others: Sequence[Pictures] = ()) -> int:
    """The longer side: the largest power of two up to a number.

    Most images have about as many pixels; few have less than half of them, and are rejected. That
    holds for others too, of which each is cropped to the shape of these.
    """
    every = ((pictures.median, pictures.low), *(_cropped(each, pictures) for each in others))
    most = min(min(median / MIN_SHARE, 2 * low) for median, low in every)
    while longer > SMALLEST and _shorter_that_covers(pictures, longer) > most:
        longer //= 2
    return longer


def _shorter_that_covers(pictures: Pictures, longer: int) -> float:
    """The shorter side of an image of the usual aspect that is cropped, but not enlarged."""
    shorter = min(_choose_sides(pictures, longer))
    if not pictures.are_oblong:
        return shorter
    return max(shorter, longer / max(pictures.aspect, 1 / pictures.aspect))


def _cropped(pictures: Pictures, like: Pictures) -> tuple[float, float]:
    """`median` and `low` of pictures that are cropped to the aspect of others."""
    if not like.are_oblong:
        return pictures.median, pictures.low
    kept = min(1, like.aspect)  # of the height, that is the shorter side
    sides = sorted(kept * min(height, width / like.aspect) for height, width in pictures.sizes)
    return sides[(len(sides) - 1) // 2], sides[(len(sides) - 1) * LOW_PERCENTILE // 100]


def _choose_sides(pictures: Pictures, longer: int) -> tuple[int, int]:
    """Height and width in about the aspect of the images, divisible as their network requires."""
    if not pictures.are_oblong:
        return longer, longer
    unit = _unit(_of_preset(PRESETS[min(longer, LARGEST_WITH_GPU)], NETWORK))
    ratio = max(pictures.aspect, 1 / pictures.aspect)
    shorter = max(round(longer / ratio / unit) * unit, longer // MAX_ASPECT)
    return (shorter, longer) if pictures.aspect > 1 else (longer, shorter)


def choose_training(images: int, resolution: tuple[int, int], machine: Machine) -> dict[str, Any]:
    """The training on a number of images of a resolution, and how they are augmented.

    A batch has at most as many, rounded to a power of 2 and to a multiple of the replicas.
    """
    longer = min(max(*resolution, SMALLEST), largest_resolution(machine))
    size = max(each for each in STEPS if each <= longer)
    preset = (PRESETS if machine.gpus else CPU_PRESETS)[size]
    steps, batch = STEPS[size], BATCH
    if not machine.gpus:
        per_core = CPU_STEPS if machine.bfloat16 else CPU_STEPS | FLOAT32_STEPS
        fewer = CPU_BATCHES.get(size, batch)
        steps = min(steps * batch // fewer, machine.cores * per_core[size])
        batch = fewer
    while batch > max(images, MIN_BATCH):
        batch //= 2
    batch = max(batch // machine.replicas, 1) * machine.replicas
    steps = min(max(steps, MIN_STEPS), most_steps(images, batch))
    return {
        "train.steps": steps,
        "train.batch_size": batch,
        **_of_preset(preset, OF_TRAINING.get(preset, ())),
        **choose_augmentation(images, steps, batch),
    }


def most_steps(images: int, batch_size: int) -> int:
    """The steps of MAX_EPOCHS passes over a number of images, and no less than MIN_STEPS."""
    return max(MAX_EPOCHS * images // batch_size, MIN_STEPS)


def choose_augmentation(images: int, steps: int, batch_size: int) -> dict[str, Any]:
    """How images are augmented, of which a training sees each again and again."""
    passes = steps * batch_size / max(images, 1)
    return {
        "train.flip": passes > FLIP_EPOCHS,
        "train.augment": AUGMENT if passes > AUGMENT_EPOCHS else 0.0,
    }


def choose_class_balance(conditional: bool) -> dict[str, Any]:
    """How much more often images of small classes are trained on."""
    return {"train.class_balance": CLASS_BALANCE if conditional else 0.0}


def choose_autoguidance(prediction: str, steps: int, plain: bool = True) -> dict[str, Any]:
    """How clear samples are drawn.

    Args:
        prediction: of the network; that of emoji32 was tried.
        steps: of the training.
        plain: whether samples have neither sources nor guidance, which were not tried, nor a mark,
            which would not be found.
    """
    tried = prediction == "gaussian" and plain
    chosen = [how for least, how in AUTOGUIDANCE.items() if tried and steps >= least]
    weight, interval = chosen[0] if chosen else (1.0, [0.0, 1.0])
    return {"sample.autoguidance": weight, "sample.autoguidance_interval": interval}
