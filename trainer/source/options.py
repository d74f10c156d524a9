"""The source of an image: where it is from, and how the network uses it."""

from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator

from trainer.common.options import Options

MASKS = ("box", "half", "strokes")
ALLOWED = (
    "downscale FACTOR (a whole number from 2 to 64), gray, mask box, mask half, mask strokes, "
    "blur PIXELS (0.1 to 100) or jpeg QUALITY (1 to 95)"
)

Use = Literal["condition", "map"]

MAX_PIXELS = 2**24  # of a file in a request; decoding takes up to 60 bytes for each


class Degradation(NamedTuple):
    """What is taken away from an image.

    Attributes:
        kind: downscale, gray, mask, blur or jpeg.
        amount: the factor of downscale, the form of a mask (MASKS), the standard deviation of blur
            in pixels, the quality of jpeg; 0 for gray.
    """

    kind: str
    amount: float | str = 0

    def __str__(self) -> str:
        if isinstance(self.amount, str):
            return f"{self.kind} {self.amount}"
        return f"{self.kind} {self.amount:g}" if self.amount else self.kind


def parse(text: str) -> Degradation:
    """Parses the text of a configuration, for example `downscale 4`.

    Raises:
        ValueError: it is none of ALLOWED.
    """
    match text.split():
        case ["gray"]:
            return Degradation("gray")
        case ["mask", form] if form in MASKS:
            return Degradation("mask", form)
        case ["downscale" as kind, number] if _is_whole(number) and 2 <= int(number) <= 64:
            return Degradation(kind, int(number))
        case ["jpeg" as kind, number] if _is_whole(number) and 1 <= int(number) <= 95:
            return Degradation(kind, int(number))
        case ["blur" as kind, number] if _is_number(number) and 0.1 <= float(number) <= 100:
            return Degradation(kind, float(number))
    raise ValueError(f"expected {ALLOWED}, for example downscale 4")


def _is_whole(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) < 4


def _is_number(text: str) -> bool:
    return _is_whole(text.replace(".", "", 1))


DegradationText = Annotated[str, AfterValidator(lambda text: str(parse(text)))]


class Source(Options):
    """How a model gets the source of an image, and uses it; also in the metadata of the model.

    A source is a picture with 8 bits per channel, of the size of the image. With a mask it has an
    alpha channel after the colors: 0 in the hole, whose pixels are gray, and 255 elsewhere.

    Attributes:
        degrade: how sources are derived from images, as `parse` takes it; None: they are pictures
            of their own, stored beside the images (data.source).
        use: `condition`: x0 is noise, and the network sees the source beside x_alpha, so that each
            seed gives another answer. `map`: x0 are the colors of the source, so that there is one
            answer, and a way back.
        noise: share of noise that is blended into x0; `map` only.
        background: color of transparent pixels, as #RRGGBB, where they are no hole, and of bars.
        fit: what happens to images of another aspect, as in ingest: their center is kept (`crop`),
            or all of them, with bars (`pad`).
        paired: whether each image has a source of its own. Otherwise sources and images are two
            densities, drawn independently (data.pairing=none); `map` only.
    """

    degrade: DegradationText | None
    use: Use = "condition"
    noise: float = 0.0
    background: str = "#ffffff"
    fit: Literal["crop", "pad"] = "crop"
    paired: bool = True

    @property
    def degradation(self) -> Degradation | None:
        """What is taken away from an image; None where sources are pictures of their own."""
        return parse(self.degrade) if self.degrade else None

    @property
    def has_hole(self) -> bool:
        """Whether sources have an alpha channel."""
        return self.degradation is not None and self.degradation.kind == "mask"

    @property
    def draws_noise(self) -> bool:
        """Whether x0 depends on a seed."""
        return self.use == "condition" or self.noise > 0

    def channels(self, image_channels: int) -> int:
        """The channels of a source, for images with so many."""
        return image_channels + self.has_hole

    def seen_channels(self, image_channels: int) -> int:
        """The channels of a source that the network sees beside x_alpha."""
        return self.channels(image_channels) if self.use == "condition" else 0
