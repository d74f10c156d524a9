"""What can be wrong with the data, with one of its images, or with where they are."""

import errno
import os

from trainer.common import exit_codes

UNREADABLE = "cannot be read"  # reason of a RejectedImage that may be read another time
ARCHIVE_CHANGED = "the archive has changed since it was listed"
# What such a reason says where a disk or a network drive does not answer.
OF_STORAGE = {
    ARCHIVE_CHANGED,
    *map(os.strerror, (errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EREMOTEIO)),
    *map(os.strerror, (errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH)),
    *map(os.strerror, (errno.ECONNRESET, errno.ECONNABORTED)),
}


class ImageDataError(ValueError):
    """The folder, its pattern or its files are not a valid data set; the message is one line.

    Attributes:
        span: number of the span that is at fault, if that is known.
    """

    exit_code = exit_codes.DATA

    def __init__(self, message: str, span: int | None = None) -> None:
        super().__init__(message)
        self.span = span


class EmptySplitError(ImageDataError):
    """No image is in a split: with more images, or another configuration, there may be some."""

    hold = False


class HoldoutError(ImageDataError):
    """Too many files of data.holdout are rejected, which says nothing about the data."""

    hold = False


class NotListedError(ImageDataError):
    """A folder or an archive cannot be read, so that nobody knows which images are missing."""

    hold = False


class RejectedImage(ValueError):  # noqa: N818 - a verdict on the file, not an error
    """The file is not a valid image; the message is the reason, one of a few fixed phrases."""


class StorageError(RuntimeError):
    """The storage of the images does not answer, or refuses; the message is one line.

    It says nothing about the images, which are therefore neither rejected nor held.
    """

    exit_code = exit_codes.STORAGE


def not_listed(root: str, what: str, error: OSError) -> NotListedError | StorageError:
    """The error for what cannot be listed; `what` names it, below the folder `root`."""
    problem = f"{root}: the {what} cannot be read ({error.strerror})"
    if error.strerror in OF_STORAGE:
        return StorageError(f"{problem}; try again when the disk or network responds")
    return NotListedError(f"{problem}; make it readable, or move it out of the folder of images")


def find_storage_error(error: BaseException) -> StorageError | None:
    """Finds the StorageError that led to an error, if one did.

    Beam wraps what a function raises in a RuntimeError; from workers in other processes, only the
    text of its traceback comes back.
    """
    found: BaseException | None = error
    while found and not isinstance(found, StorageError):
        found = found.__cause__ or found.__context__
    if found is None:
        for line in str(error).splitlines():
            _, name, message = line.partition(f"{StorageError.__module__}.StorageError: ")
            if name:
                return StorageError(message)
    return found
