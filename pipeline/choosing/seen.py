"""What was seen of a folder of images."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, replace

from pipeline.config.yaml_text import quote
from trainer.common.text import percentage

BLACK, GRAY, WHITE = "#000000", "#808080", "#ffffff"
# The ratio of the sides, of three in four images, from which a square would lose too much of them.
OBLONG = 1.2
# Names of folders, in small letters, that are no classes: splits of a data set (train2017, testA,
# DIV2K_train_HR), what belongs to images, numbers, dates and those of cameras (100CANON), hashes.
SPLIT = re.compile(
    r"(?P<before>.*[-_ ])?"
    r"(?:(?P<train>train(?:ing|set|val)?|trn)|val|valid|validate|validation|eval|dev|te?st"
    r"|testing|testset|h[eo]ld[-_ ]?out|query|gallery|pred|unlabell?ed)"
    r"[-_]?(?:\d+|[ab])?(?P<after>[-_ ].*)?"
)
BESIDE_IMAGES = {
    *("annotation", "annotations", "labels", "mask", "masks", "depth", "gt"),
    *("groundtruth", "ground_truth", "segmentationclass", "segmentationobject", "segmentation"),
    *("segmentations", "trimap", "trimaps", "mattes", "thumbnails"),
}
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
        background: a color on which none of those vanishes; white if there are none.
        classes: numbers of files by class, that of first-level folders or in archives; empty if
            there are none.
        sizes: (height, width) of the images in the sample.
        labeled: whether archives name the classes.
        spans: a data.pattern for which all images would lie in spans; empty if there is none, or
            if a pattern is set.
        unread: what else is there that is not read, with what to do about it.
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
    background: str
    classes: Mapping[str, int]
    sizes: tuple[tuple[int, int], ...]
    labeled: bool = False
    spans: str = ""
    unread: tuple[str, ...] = ()

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
        found = [match for name in self.classes if (match := SPLIT.fullmatch(name.lower()))]
        plain = [match for match in found if not (match["before"] or match["after"])]
        if len(plain) == len(self.classes) > 1:
            return True
        if len(found) < len(self.classes):
            found = plain
        return 0 < sum(match["train"] is not None for match in found) < len(found)

    @property
    def beside_images(self) -> list[str]:
        """Names of folders whose images belong to the images in others, such as masks."""
        return [name for name in self.classes if not self.labeled and name.lower() in BESIDE_IMAGES]

    @property
    def kinds(self) -> Mapping[str, int]:
        """Those of their classes that may be kinds of pictures, by the names of their folders.

        Numbers and dates are none, but for numbers of which some have one digit, nor are names that
        all begin with a year. Labels in archives always are.
        """
        if self.labeled:
            return self.classes
        names = [name.lower() for name in self.classes]
        hashes = len({*map(len, names)}) == 1 and all(HASH.fullmatch(name) for name in names)
        hashes = hashes and {*map(str.isdigit, "".join(names))} == {True, False}
        if hashes or self.beside_images or all(map(YEAR.fullmatch, names)):
            return {}
        numbered = {
            name
            for name in self.classes
            if NUMBERED.fullmatch(name.lower()) or CAMERA.fullmatch(name)
        }
        if any(len(name) == 1 for name in numbered):
            return self.classes
        return {name: count for name, count in self.classes.items() if name not in numbered}

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

    def beside(self, sources: "Pictures") -> "Pictures":
        """These, with the colors and the background that suit their sources as well."""
        backgrounds = {each.background for each in (self, sources) if each.transparent}
        return replace(
            self,
            gray=self.gray and sources.gray,
            transparent=bool(backgrounds),
            background=GRAY if len(backgrounds) > 1 else (backgrounds or {WHITE}).pop(),
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
        if self.problem:
            text += f"; {percentage(1 - self.readable)} cannot be read: {self.problem}"
        return text + "".join(f"; {line}" for line in self.unread)

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
