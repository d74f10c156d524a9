"""Decodes the source of an image, and checks that both show the same."""

import numpy as np

from components.image_example_gen.errors import UNREADABLE, RejectedImage
from components.image_example_gen.files import ImageFile
from components.image_example_gen.image_file.decode import DecodedImage, decode
from components.image_example_gen.options import ImageOptions
from components.image_example_gen.reading import ImageReader

IN_SOURCE = "source: "  # before what is wrong with it, or unusual
OTHER_ASPECT = "source and image have different aspects"
SAME_PIXELS = "the source has the same pixels"  # a note
TOLERANCE = 0.02  # relative difference of aspects, beside that from rounding sides to pixels


def decode_source(
    file: ImageFile, reader: ImageReader, image: DecodedImage, options: ImageOptions
) -> DecodedImage:
    """Decodes the source of an image by the same geometry.

    Args:
        file: of the source.
        reader: of the folder of the sources.
        image: the decoded image.
        options: as of `decode`.

    Raises:
        RejectedImage: the source is not a valid image, cannot be read, or has another aspect than
            the image.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    try:
        if file.problem:
            raise RejectedImage(file.problem)
        with reader.open(file) as stream:
            size = image.source_width, image.source_height
            source = decode(stream, of_any_size(options), size)
    except RejectedImage as reason:
        raise RejectedImage(f"{IN_SOURCE}{reason}") from None
    except OSError as error:
        raise RejectedImage(f"{IN_SOURCE}{UNREADABLE} ({error.strerror})") from None
    if not _agree(image, source):
        raise RejectedImage(OTHER_ASPECT)
    return source


def of_any_size(options: ImageOptions) -> ImageOptions:
    """The options of sources, which may be much smaller than images: `min_size` does not apply."""
    return options.model_copy(update={"min_size": 1})


def notes_on(image: DecodedImage, source: DecodedImage | None) -> tuple[str, ...]:
    """What is unusual about an image and its source, if it has one."""
    if source is None:
        return image.notes
    same = (SAME_PIXELS,) if np.array_equal(image.pixels, source.pixels) else ()
    return (*image.notes, *(f"{IN_SOURCE}{note}" for note in source.notes), *same)


def _agree(image: DecodedImage, source: DecodedImage) -> bool:
    """Whether two images have the same aspect, up to the rounding of the smaller one's sides."""
    width, height = image.source_width, image.source_height
    across, down = width * source.source_height, height * source.source_width
    rounding = max(width + height, source.source_width + source.source_height) / 2
    return abs(across - down) <= TOLERANCE * max(across, down) + rounding
