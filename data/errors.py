"""The error that users can fix."""

from trainer.common import exit_codes


class DataError(ValueError):
    """A dataset cannot be written; the message is one line with a remedy."""

    exit_code = exit_codes.DATA


class UnwritableError(DataError):
    """The folder of a dataset cannot be written."""

    exit_code = exit_codes.WORKSPACE


class WrongUsageError(DataError):
    """There is no such dataset, or it takes no source."""

    exit_code = exit_codes.USAGE
