"""Files of described images: what the metrics read of real images."""

import io
from collections.abc import Iterator
from zipfile import BadZipFile

import numpy as np
from tfx.dsl.io import fileio
from tfx.utils import io_utils

from components.features import load_extractor
from components.images.image_set import ImageSet
from components.metrics.image_statistics import ImageStatistics
from components.sharing import shared
from trainer.records import DamagedExamplesError

shared_extractor = shared(load_extractor)


def write_image_set(path: str, images: ImageSet) -> None:
    """Writes images without scores, whose nearest training images are not known."""
    file = io.BytesIO()
    np.savez(
        file,
        keys=np.array(images.keys, np.bytes_),  # which end with a path, not with a null byte
        labels=np.array([label.encode() for label in images.labels], np.bytes_),
        vectors=images.vectors,
        flat=images.flat,
        digests=images.digests,
        views=images.views,
        **images.statistics._asdict(),
    )
    io_utils.write_bytes_file(path, file.getvalue())


def read_image_set(path: str) -> ImageSet:
    """Reads what `write_image_set` wrote.

    Raises:
        DamagedExamplesError: the file is damaged.
    """
    with fileio.open(path, "rb") as file:
        content = io.BytesIO(file.read())
    try:
        with np.load(content) as found:
            arrays = dict(found)
    except (BadZipFile, EOFError, ValueError) as error:
        folder = path.rpartition("/")[0]
        raise DamagedExamplesError(
            f"{path} is damaged: remove {folder}, which `iadb run` then makes again"
        ) from error
    count = len(arrays["keys"])
    return ImageSet(
        keys=arrays.pop("keys").tolist(),
        labels=[label.decode() for label in arrays.pop("labels").tolist()],
        statistics=ImageStatistics(*(arrays.pop(name) for name in ImageStatistics._fields)),
        scores=None,
        distances=np.full(count, np.nan),
        mirrored=np.zeros(count, bool),
        **arrays,
    )


def read_blocks(folder: str) -> Iterator[ImageSet]:
    """Reads all files of a folder, one at a time."""
    for name in sorted(fileio.listdir(folder)):
        yield read_image_set(f"{folder}/{name}")
