"""Image files as a model that translates takes them: PNG or JPEG, upright, in sRGB.

The graph of the exported model decodes these alone. What else ingest reads is converted here, by
its code, so that a file that a model was trained on can also be sent to it.
"""

import io
import math

from PIL import Image

from components.image_example_gen.image_decode import REDUCING_GAP, decode_as_shown
from components.image_example_gen.image_header import (
    applied_orientation,
    open_image,
)
from components.image_example_gen.options import MOST_PIXELS, ImageOptions
from trainer.source.options import MAX_PIXELS
from trainer.source.orientation import found_by_search

PLAIN = {"PNG": {"1", "L", "LA", "P", "RGB", "RGBA"}, "JPEG": {"L", "RGB"}}  # modes by format
SMOOTH = {"L", "LA", "RGB", "RGBA"}  # modes in which Pillow averages pixels to reduce an image


def to_request(content: bytes, shape: tuple[int, int, int]) -> bytes:
    """Returns an image file as it is if the model reads it like ingest, and else as PNG.

    A JPEG that is converted, and what has more pixels than the model takes, is reduced.

    Args:
        content: of the file.
        shape: (H, W, C) of the images of the model.

    Raises:
        RejectedImage: it is not an image, damaged, or too large for ingest as well.
    """
    # What a training may have been allowed to read by data.max_pixels is reduced here.
    options = ImageOptions(resolution=shape[:2], min_size=1, max_pixels=MOST_PIXELS)
    if _is_plain(open_image(io.BytesIO(content), options), content):
        return content
    image = decode_as_shown(io.BytesIO(content), options)
    times = image.width * image.height / MAX_PIXELS
    if image.mode not in (SMOOTH if times > 1 else PLAIN["PNG"]):
        image = image.convert("RGBA" if image.has_transparency_data else "RGB")
    if times > 1:
        size = (max(int(side / math.sqrt(times)), 1) for side in image.size)
        image = image.resize(tuple(size), Image.Resampling.BICUBIC, reducing_gap=REDUCING_GAP)
    png = io.BytesIO()
    image.save(png, "PNG", compress_level=1)
    return png.getvalue()


def _is_plain(image: Image.Image, content: bytes) -> bool:
    """Whether a file that was opened, not yet decoded, is read by the model as by ingest."""
    if image.mode not in PLAIN.get(image.format, ()) or "icc_profile" in image.info:
        return False
    if image.width * image.height > MAX_PIXELS:
        return False
    # The model turns a JPEG itself, by the orientation that it finds.
    turned = found_by_search(content) if image.format == "JPEG" else 1
    return turned == applied_orientation(image)
