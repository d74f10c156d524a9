"""What a person should know of the pictures before they are used, one line each."""

import json
import os
import shlex
from collections.abc import Collection

from pipeline.choosing.check import warn_of_rejected
from pipeline.choosing.choose import PER_CLASS, choose_judged
from pipeline.choosing.seen import Pictures
from pipeline.config.pipeline_config import PipelineConfig
from pipeline.config.sections import DataConfig
from trainer.common.resolution import from_sides, to_sides
from trainer.common.text import list_some, percentage, printable, quantity

LEAST_KEPT = 0.6  # of the area of a picture, without a remark
MANY_CUT = 0.1  # share of the pictures that may keep less, without a remark
BY_CLASS = "samples are drawn by class; without classes: --set model.conditional=false"
CLASSES = "to draw images of one class, by the name of its folder: --set model.conditional=true"
NUMBERED = "if the folders with numbers for names are classes: --set model.conditional=true"
SPLITS = "folders of splits are read together, and images are held out anew"
FEW = 3  # names of small classes


def say_what_folders_are(pictures: Pictures, config: PipelineConfig) -> list[str]:
    """What the folders do to the samples; no line without folders."""
    rejected = pictures.rejected_classes(*config.data.smallest)
    folder = config.data.folder
    if config.model.conditional and pictures.have_classes:
        return [BY_CLASS, *_say_which_are_few(pictures, rejected, folder)]
    splits = pictures.splits
    if splits and not config.data.pattern and not config.data.holdout:
        if pictures.labeled or "/" in pictures.wrapper:  # there is no such folder
            return [SPLITS]
        example = max(splits, key=lambda name: "train" in os.path.basename(name).lower())
        return [f"{SPLITS}; {_to_read(folder, example)}"]
    if config.source is not None:
        return []
    beside = pictures.beside_images
    others = {name: n for name, n in pictures.classes.items() if name not in beside}
    if beside and (others or sum(pictures.classes.values()) < pictures.files):
        named = sorted(others, key=lambda name: ("image" in name.lower(), others[name]))
        example = [_to_read(folder, named[-1])] if named else []
        return ["; ".join([f"images in {list_some(beside)} are read like all others", *example])]
    if pictures.wrapper and not splits:
        about = f"if the folders in {printable(pictures.wrapper)} are classes"
        if "/" in pictures.wrapper:  # in an archive
            return [f"{about}, pack them without the one around them"]
        return [f"{about}: --data {printable(shlex.quote(os.path.join(folder, pictures.wrapper)))}"]
    if not pictures.have_classes:
        return []
    for folders, line in ((pictures.kinds, CLASSES), (pictures.numbered, NUMBERED)):
        usable = folders.keys() - rejected
        if sum(folders[name] >= PER_CLASS for name in usable) > 1:
            return [line]
    return []


def _say_which_are_few(pictures: Pictures, rejected: Collection[str], folder: str) -> list[str]:
    """Names the classes of so few images that samples may be copies; no line without any."""
    few = [name for name, n in pictures.classes.items() if n < PER_CLASS and name not in rejected]
    if not few:
        return []
    what, remedy = "label", ""
    if not pictures.labeled:
        top = f"the top of {printable(folder)}, where they have no class"
        what, remedy = "folder", f"; move the files into one larger folder, or to {top}"
    have, each = ("has", "it") if len(few) == 1 else ("have", "each")
    return [
        f"{quantity(len(few), what)} {have} fewer than {PER_CLASS} pictures, "
        f"{list_some(few, FEW)}: {each} becomes a class, whose samples may be near copies of "
        f"these{remedy}"
    ]


def _to_read(folder: str, name: str) -> str:
    return f"to read one: --data {printable(shlex.quote(os.path.join(folder, name)))}"


def say_which_are_rejected(pictures: Pictures, data: DataConfig) -> list[str]:
    """Names the folders of which no image will be used, as far as was looked."""
    height, width = data.smallest
    rejected = sorted(pictures.rejected_classes(height, width))
    if not rejected:
        return []
    return [
        f"images in {list_some(rejected)} cannot be opened, are damaged or smaller than "
        f"{width}x{height} (data.min_size), as far as was looked, and will be rejected"
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
    lines = warn_of_rejected(_rejected(pictures, height, width), data)
    if not lines or not small:
        return lines
    reason = (
        f"{percentage(small)} of them are less than {width} wide or {height} high, and will be "
        "rejected: data.min_size, by default half of data.resolution"
    )
    return [reason, *lines]


def _rejected(pictures: Pictures, height: int, width: int) -> float:
    """The share that cannot be read, or is less high or less wide."""
    return 1 - pictures.readable * (1 - pictures.smaller_than(height, width))


def warn_of_no_classes(pictures: Pictures, config: PipelineConfig) -> list[str]:
    """Says that a run stops because a conditional model has no classes."""
    rejected = pictures.rejected_classes(*config.data.smallest)
    if not config.model.conditional or len(pictures.classes.keys() - rejected) > 1:
        return []
    return [
        "a run stops without classes: model.conditional=true needs images in at least 2 folders "
        "below data.folder, one for each"
    ]


def warn_of_cut(pictures: Pictures, data: DataConfig) -> list[str]:
    """Says that many pictures lose much of their area; no line if they do not."""
    height, width = data.shape[:2]
    ratios = [(w / h) / (width / height) for h, w in pictures.sizes]
    kept = [min(ratio, 1 / ratio) for ratio in ratios]
    cut = sum(share < LEAST_KEPT for share in kept) / len(kept)
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
