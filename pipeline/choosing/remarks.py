"""What a person should know of the pictures before they are used, one line each."""

import json
import os
import shlex
from math import ceil

from pipeline.choosing.choose import PER_CLASS, choose_judged
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import DataConfig
from pipeline.schema import min_images
from trainer.common.resolution import from_sides, to_sides
from trainer.common.text import list_some, percentage, printable, quantity

LEAST_KEPT = 0.6  # of the area of a picture, without a remark
MANY_CUT = 0.1  # share of the pictures that may keep less, without a remark
ROUNDING = 1e-9  # in a share
ENOUGH = 1.5  # times the required images: a hash divides them, seldom exactly
BY_CLASS = "samples are drawn by class; without classes: --set model.conditional=false"
CLASSES = "to draw images of one class, by the name of its folder: --set model.conditional=true"
NUMBERED = "if the folders with numbers for names are classes: --set model.conditional=true"
SPLITS = "folders of splits are read together, and images are held out anew"
FEW = 3  # names of small classes


def say_what_folders_are(pictures: Pictures, config: PipelineConfig) -> list[str]:
    """What the folders do to the samples; no line without folders."""
    if config.model.conditional and pictures.have_classes:
        return [BY_CLASS, *_say_which_are_few(pictures)]
    names, beside = [*pictures.classes], pictures.beside_images
    if pictures.have_splits and not config.data.holdout:
        train = max(names, key=lambda name: "train" in name.lower())
        return [SPLITS if pictures.labeled else f"{SPLITS}; {_to_read(config, train)}"]
    if config.source is not None:
        return []
    if beside:
        others = [name for name in names if name not in beside]
        others.sort(key=lambda name: ("image" in name.lower(), pictures.classes[name]))
        example = [_to_read(config, name) for name in others[-1:]]
        return ["; ".join([f"images in {list_some(beside)} are read like all others", *example])]
    for folders, line in ((pictures.kinds, CLASSES), (pictures.numbered, NUMBERED)):
        large = sum(count >= PER_CLASS for count in folders.values())
        if pictures.have_classes and large > 1:
            return [line]
    return []


def _to_read(config: PipelineConfig, name: str) -> str:
    folder = os.path.join(config.data.folder, name)
    return f"to read one: --data {printable(shlex.quote(folder))}"


def _say_which_are_few(pictures: Pictures) -> list[str]:
    """Names the classes of so few images that samples may be copies; no line without any."""
    few = [name for name, count in pictures.classes.items() if count < PER_CLASS]
    if not few:
        return []
    what, have = "label" if pictures.labeled else "folder", "has" if len(few) == 1 else "have"
    return [
        f"{quantity(len(few), what)} {have} fewer than {PER_CLASS} pictures, "
        f"{list_some(few, FEW)}: each becomes a class, whose samples may be near copies of these"
    ]


def say_what_is_small(pictures: Pictures, data: DataConfig, largest: int) -> list[str]:
    """Why the resolution is lower than most images allow: the smallest twentieth would be rejected.

    Only of images that are at least four times as large, where that is a surprise, and below the
    largest resolution that is chosen on the machine.
    """
    side = max(data.resolution)
    if side >= largest or pictures.median < 4 * side or pictures.low >= side:
        return []
    return [
        f"some are as small as {pictures.low} pixels, and would be rejected at a higher "
        f"data.resolution; to leave them out: --set data.resolution={2 * side}, with a larger "
        f"data.max_rejected if they are more than {100 * data.max_rejected:g}%"
    ]


def warn_of_unusable(pictures: Pictures, data: DataConfig) -> list[str]:
    """Says that a run stops because so many images cannot be read or are too small."""
    height, width = data.smallest
    small = pictures.smaller_than(height, width)
    if 1 - pictures.readable * (1 - small) <= data.max_rejected + ROUNDING:
        return []
    reason = (
        f"{percentage(small)} of them are less than {width} wide or {height} high, and will be "
        "rejected: data.min_size, by default half of data.resolution"
    )
    allowed = f"{100 * data.max_rejected:g}%"
    stops = f"a run stops if so many are rejected: data.max_rejected allows {allowed}"
    return [reason, stops] if small else [stops]


def warn_of_no_classes(pictures: Pictures, config: PipelineConfig) -> list[str]:
    """Says that a run stops because a conditional model has no classes."""
    if not config.model.conditional or len(pictures.classes) > 1:
        return []
    return [
        "a run stops without classes: model.conditional=true needs images in at least 2 folders "
        "below data.folder, one for each"
    ]


def warn_of_too_few(trained: int, held_out: int, config: PipelineConfig) -> list[str]:
    """Says that a run stops, or may stop, for too few images; no line if they suffice.

    Args:
        trained: about how many images will be trained on.
        held_out: about how many will be held out.
        config: of the run; a schema of one's own may require another number.
    """
    required, validation = min_images(), config.validation
    strict = validation.schema_file is None and validation.on_anomaly == "stop"
    if not strict or min(trained, held_out) >= ENOUGH * required:
        return []
    return [
        f"a run stops with fewer than {required} images to train on or {required} held out: here "
        f"are about {trained} and {held_out}"
    ]


def warn_of_no_verdict(trained: int, held_out: int, config: PipelineConfig) -> list[str]:
    """Says that no model is blessed, or may not be, for too few images, as in `warn_of_too_few`."""
    required, percent = config.evaluate.min_samples, config.data.eval_percent
    if min(trained, held_out) >= ENOUGH * required:
        return []
    suffice = ceil(100 * ENOUGH * required / min(percent, 100 - percent))
    return [
        f"no model is blessed with fewer than {required} images to train on or {required} held out "
        f"(evaluate.min_samples): here are about {trained} and {held_out}; {suffice:,} pictures "
        "suffice"
    ]


def warn_of_cut(pictures: Pictures, data: DataConfig) -> list[str]:
    """Says that many pictures lose much of their area; no line if they do not."""
    height, width = data.resolution
    ratios = [(w / h) / (width / height) for h, w in pictures.sizes]
    cut = sum(min(ratio, 1 / ratio) < LEAST_KEPT for ratio in ratios) / len(ratios)
    if data.fit != "crop" or cut < MANY_CUT:
        return []
    return [
        f"data.fit=crop cuts more than {percentage(1 - LEAST_KEPT)} off {percentage(cut)} of the "
        "pictures; data.fit=pad keeps all of each, with bars at its sides"
    ]


def warn_of_less_detail(
    pictures: Pictures, real: Pictures, data: DataConfig, *, trained_on: bool
) -> list[str]:
    """Says that images are compared at a smaller size because of some; no line if they are not.

    Args:
        pictures: that may be smaller than the real ones.
        real: with which images are compared.
        data: how they are converted.
        trained_on: whether the pictures are training images. Enlarged, these would be as blurred as
            what is judged beside them, and no measure of it.
    """
    height, width = to_sides(choose_judged(real, [])["data.resolution"])
    if (height, width) == to_sides(choose_judged(real, [pictures])["data.resolution"]):
        return []
    remedy = "name larger ones with --train"
    if not trained_on:
        sides = json.dumps(from_sides((height, width)), separators=(",", ":"))
        options = ["--set", f"data.resolution={sides}"]
        if 2 * pictures.low < min(height, width):  # by default, these would be rejected
            options += ["--set", f"data.min_size={pictures.low}"]
        remedy = f"{shlex.join(options)} judges it"
    compared = "x".join(map(str, reversed(data.resolution)))
    return [
        f"pictures {pictures.describe_size()}, the real ones {real.describe_size()}: all are "
        f"compared at {compared}, and missing detail is not judged; {remedy}"
    ]
