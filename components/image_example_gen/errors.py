"""What can be wrong with the data, with one of its images, or with where they are."""

from components.image_example_gen.reasons import OF_STORAGE
from trainer.common import exit_codes


class ImageDataError(ValueError):
    """The folder, its pattern or its files are not a valid data set; the message is one line.

    Attributes:
        span: number of the span that is at fault, if that is known.
    """

    exit_code = exit_codes.DATA

    def __init__(self, message: str, span: int | None = None) -> None:
        super().__init__(message)
        self.span = span


class NotHeldError(ImageDataError):
    """The newest images are not at fault, and so are not held for review.

    A folder cannot be read, data.holdout is bad, or another configuration is needed.
    """

    hold = False


class RejectedImage(ValueError):  # noqa: N818 - a verdict on the file, not an error
    """The file is not a valid image; the message is one of `reasons`."""


class StorageError(RuntimeError):
    """The storage of the images does not answer, or refuses; the message is one line.

    It says nothing about the images, which are therefore neither rejected nor held.
    """

    exit_code = exit_codes.STORAGE


def not_listed(root: str, what: str, error: OSError) -> NotHeldError | StorageError:
    """The error for what cannot be listed; `what` names it, below the folder `root`."""
    problem = f"{root}: the {what} cannot be read ({error.strerror})"
    if error.errno in OF_STORAGE:
        return StorageError(f"{problem}; try again when the disk or network responds")
    return NotHeldError(f"{problem}; make it readable, or move it out of the folder of images")


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
