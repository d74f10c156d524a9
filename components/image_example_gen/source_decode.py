"""Decodes the source of an image, and checks that both show the same."""

import numpy as np

from components.image_example_gen import reasons
from components.image_example_gen.errors import RejectedImage
from components.image_example_gen.files import ImageFile
from components.image_example_gen.folders.reading import ImageReader
from components.image_example_gen.image_decode import DecodedImage, decode
from components.image_example_gen.options import ImageOptions

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
    size = image.source_width, image.source_height
    try:
        if file.problem:
            raise RejectedImage(file.problem)
        with reader.open(file) as stream:
            source = decode(stream, of_any_size(options), size)
    except RejectedImage as reason:
        raise RejectedImage(reasons.IN_SOURCE.format(reason)) from None
    except OSError as error:
        raise RejectedImage(reasons.IN_SOURCE.format(reasons.unreadable(error))) from None
    if not _agree(size, (source.source_width, source.source_height)):
        raise RejectedImage(reasons.OTHER_ASPECT)
    return source


def of_any_size(options: ImageOptions) -> ImageOptions:
    """The options of sources, which may be much smaller than images: `min_size` does not apply."""
    return options.model_copy(update={"min_size": 1})


def notes_on(image: DecodedImage, source: DecodedImage | None) -> tuple[str, ...]:
    """What is unusual about an image and its source, if it has one."""
    if source is None:
        return image.notes
    same = (reasons.SAME_PIXELS,) if np.array_equal(image.pixels, source.pixels) else ()
    return (*image.notes, *map(reasons.IN_SOURCE.format, source.notes), *same)


def _agree(image: tuple[int, int], source: tuple[int, int]) -> bool:
    """Whether two sizes have the same aspect, up to the rounding of the smaller one's sides."""
    across, down = image[0] * source[1], image[1] * source[0]
    return abs(across - down) <= TOLERANCE * max(across, down) + max(sum(image), sum(source)) / 2
