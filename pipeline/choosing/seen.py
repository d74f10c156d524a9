"""What was seen of a folder of images."""

import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pipeline.config.yaml_text import quote
from trainer.common.text import percentage

# The ratio of the sides, of three in four images, from which a square would lose too much of them.
OBLONG = 1.2
LOOKED_AT = 3  # images of a class, from which something is said of all
TURNED = 0.05  # share of images turned against the others from which it is said
# Names of folders, in small letters, that are no classes: splits of a data set (train2017, testA),
# what belongs to images, numbers, dates and those of cameras (100CANON), and hashes.
TRAIN = re.compile(r"(?:train(?:ing|val)?|trn)[-_]?(?:\d+|[ab])?")
OTHER_SPLITS = re.compile(
    r"(?:val|valid|validate|validation|eval|dev|te?st|testing|h[eo]ld[-_ ]?out|unlabell?ed)"
    r"[-_]?(?:\d+|[ab])?"
)
# As part of a name, such as DIV2K_train_HR.
NAMED_SPLIT = re.compile(
    r"(?:.*[-_ ])?(?:(train|training|trainset|trainval)|val|valid|validation|dev|test|testing"
    r"|testset|query|gallery|pred|unlabell?ed)"
    r"(?:[-_ ].*)?"
)
BESIDE_IMAGES = {
    *("annotation", "annotations", "labels", "mask", "masks", "depth", "gt"),
    *("groundtruth", "ground_truth", "segmentationclass", "segmentationobject", "segmentation"),
    *("segmentations", "trimap", "trimaps", "mattes", "thumbnails"),
}
BESIDE_SOME = {"label", "thumbs", "previews"}  # which may be classes, unless beside one of IMAGES
IMAGES = {"image", "images", "img", "imgs", "photo", "photos", "picture", "pictures", "rgb"}
NUMBERED = re.compile(
    r"(?:batch|chunk|data|folder|fold|group|images?|img|page|part|photos from|set|shard|split"
    r"|video)?[-_. ]?\d+(?:[-_. x]\d+)*_*|\d{6}_[a-z_]|dji_\d{3}.*"
    r"|(?:19|20)\d\d[-_.]?(?:0[1-9]|1[0-2])(?:[-_.]?\d\d)?(?:[-_. ].*)?"
)
CAMERA = re.compile(r"\d{3}[0-9A-Z_]{5}")  # 100CANON, in capital letters as cameras write them
YEAR = re.compile(r"(?:19|20)\d\d(?![0-9a-z]).*")
HASH = re.compile(r"[0-9a-f]+")


@dataclass(frozen=True)
class Pictures:
    """What was seen of a folder. Sizes are those of the shorter sides in the sample, in pixels.

    Attributes:
        files: number of image files.
        readable: share of the sample that could be opened, above 0 and at most 1.
        problem: one file that could not, with the reason, in one line; empty if all could.
        smallest: size of the smallest image.
        low: a twentieth of the images are smaller.
        median: half of the images are smaller.
        largest: size of the largest image.
        aspect: median ratio of width to height.
        narrow: a quarter of these ratios are smaller.
        wide: a quarter of these ratios are larger.
        gray: whether nearly all images are gray.
        transparent: whether some images have transparent pixels.
        bright: whether what is visible of those is nearly white, or vanishes on white in some.
        two_toned: whether it is nearly white, or vanishes on white, in some of them, and nearly
            black in others.
        classes: numbers of files by class, that of first-level folders or in archives; empty if
            there are none.
        sizes: (height, width) of the images in the sample.
        sizes_by_class: the same by class; (0, 0) for those that cannot be read.
        labeled: whether archives name the classes.
        spans: a data.pattern for which all images would lie in spans; empty if there is none, or
            if a pattern is set.
        turned: share of images that are upright where most are landscape, or the other way round.
        unread: how many other files are pictures or archives that are not read, by their endings,
            and what to do with them; empty if there are none.
        links: how many links to folders there are, which are not followed; empty if none.
        wrapper: the one folder that has all images, in folders of its own; empty without one.
        wrapped: names of those folders.
    """

    files: int
    readable: float
    problem: str
    smallest: int
    low: int
    median: int
    largest: int
    aspect: float
    narrow: float
    wide: float
    gray: bool
    transparent: bool
    bright: bool
    classes: Mapping[str, int]
    sizes: tuple[tuple[int, int], ...]
    sizes_by_class: Mapping[str, Sequence[tuple[int, int]]] = field(default_factory=dict)
    two_toned: bool = False
    labeled: bool = False
    spans: str = ""
    turned: float = 0.0
    unread: tuple[str, ...] = ()
    links: str = ""
    wrapper: str = ""
    wrapped: tuple[str, ...] = ()

    @property
    def are_oblong(self) -> bool:
        """Whether a rectangle suits them better than a square."""
        return self.narrow >= OBLONG or self.wide <= 1 / OBLONG

    @property
    def have_classes(self) -> bool:
        """Whether their folders or archives may sort them by what they show."""
        return len(self.classes) > 1 and not self.spans and not self.have_splits

    @property
    def have_splits(self) -> bool:
        """Whether their folders are the splits of a data set."""
        return are_splits(self.classes)

    @property
    def splits(self) -> list[str]:
        """The folders that are splits of a data set, also in a wrapper; empty if none are."""
        if self.have_splits:
            return [*self.classes]
        wrapped = self.wrapped if are_splits(self.wrapped) else ()
        return [f"{self.wrapper}/{name}" for name in wrapped]

    @property
    def beside_images(self) -> list[str]:
        """Names of folders whose images belong to the images in others, such as masks."""
        if self.labeled:
            return []
        return beside_images(self.classes)

    @property
    def kinds(self) -> Mapping[str, int]:
        """Those of their classes that may be kinds of pictures, by the names of their folders.

        Numbers and dates are none, but for numbers of which some have one digit, nor are names that
        all begin with a year. Labels in archives always are.
        """
        return self.classes if self.labeled else kinds_among(self.classes)

    @property
    def numbered(self) -> Mapping[str, int]:
        """Those of their classes whose folders have numbers for names, which may mean anything."""
        if self.labeled:
            return {}
        return {n: k for n, k in self.classes.items() if n.isdecimal() and not YEAR.fullmatch(n)}

    @property
    def usable(self) -> int:
        """An estimate of the number of images, without those that cannot be read."""
        return round(self.files * self.readable)

    def smaller_than(self, height: int, width: int) -> float:
        """An estimate of the share, of those that can be read, that is less high or less wide."""
        return sum(h < height or w < width for h, w in self.sizes) / len(self.sizes)

    def rejected_classes(self, height: int, width: int) -> set[str]:
        """Classes of which no image that was looked at can be read and is so high and wide."""
        return {
            label
            for label in self.classes
            if len(sizes := self.sizes_by_class.get(label, ())) >= LOOKED_AT
            and all(h < height or w < width for h, w in sizes)
        }

    def beside(self, sources: "Pictures") -> "Pictures":
        """These, with the colors and the background that suit their sources as well."""
        transparent = [each for each in (self, sources) if each.transparent]
        return replace(
            self,
            gray=self.gray and sources.gray,
            transparent=bool(transparent),
            bright=any(each.bright for each in transparent),
            two_toned=any(each.two_toned for each in transparent)
            or len({each.bright for each in transparent}) > 1,
        )

    def describe(self) -> str:
        """What was seen, in one line."""
        color = "gray" if self.gray else "color"
        plural = "" if self.files == 1 else "s"
        text = f"{self.files:,} {color} picture{plural} {self.describe_size()}"
        if len(self.classes) > 1:
            what = "classes" if self.labeled else "folders"
            text += f" in {len(self.classes):,} {what}"
        narrow, wide = f"{self.narrow:.2g}", f"{self.wide:.2g}"
        if narrow != wide:
            text += f", half of them {narrow} to {wide} times as wide as high"
        if self.transparent:
            text += ", some transparent"
        if self.spans:
            setting = shlex.quote(f"data.pattern={quote(self.spans)}")
            text += f"; the folders look like spans: --set {setting} reads the newest"
        if self.turned >= TURNED and self.are_oblong:
            which = "upright" if self.aspect > 1 else "landscape"
            text += f"; {percentage(self.turned)} of them {which}"
        if self.problem:
            text += f"; {percentage(1 - self.readable)} cannot be read: {self.problem}"
        text += "".join(f"; {line}" for line in self.unread)
        if self.links:
            text += f"; not followed: {self.links}"
        return text

    def describe_size(self) -> str:
        """Their usual size and how it varies, to follow the word pictures."""
        sides = f"{self.smallest:,} to {self.largest:,}"
        if self.narrow <= 1 / OBLONG and self.wide >= OBLONG:  # no picture is as their median
            shorter = sides if self.largest > self.smallest else f"{self.median:,}"
            return f"with shorter sides of {shorter} pixels"
        if self.largest > self.smallest:
            return f"of about {self._size(self.median)} (shorter sides {sides} pixels)"
        return f"of {self._size(self.median)}"

    def _size(self, shorter: int) -> str:
        wide = self.aspect >= 1
        return (
            f"{round(shorter * self.aspect)}x{shorter}"
            if wide
            else f"{shorter}x{round(shorter / self.aspect)}"
        )


def beside_images(folders: Collection[str]) -> list[str]:
    """The names of folders whose images belong to the images in others."""
    has_images = any(name.lower() in IMAGES for name in folders)
    beside = BESIDE_IMAGES | (BESIDE_SOME if has_images else set())
    return [name for name in folders if name.lower() in beside]


def kinds_among(folders: Mapping[str, int]) -> Mapping[str, int]:
    """Those of folders, by name, that may sort images by what they show."""
    names = [name.lower() for name in folders]
    hashes = len({*map(len, names)}) == 1 and all(HASH.fullmatch(name) for name in names)
    hashes = hashes and {*map(str.isdigit, "".join(names))} == {True, False}
    if hashes or beside_images(names) or all(map(YEAR.fullmatch, names)):
        return {}
    numbered = {
        name for name in folders if NUMBERED.fullmatch(name.lower()) or CAMERA.fullmatch(name)
    }
    if any(len(name) == 1 for name in numbered):
        return folders
    return {name: count for name, count in folders.items() if name not in numbered}


def are_splits(folders: Collection[str]) -> bool:
    """Whether folders with these names are the splits of a data set."""
    names = [name.lower() for name in folders]
    trained, others = (
        sum(pattern.fullmatch(name) is not None for name in names)
        for pattern in (TRAIN, OTHER_SPLITS)
    )
    if len(names) > 1 and (trained + others == len(names) or min(trained, others) > 0):
        return True
    named = [NAMED_SPLIT.fullmatch(name) for name in names]
    return all(named) and {each[1] is None for each in named} == {True, False}
