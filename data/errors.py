"""The error that users can fix."""

from trainer.common import exit_codes


class DataError(ValueError):
    """A dataset cannot be written; the message is one line with a remedy."""

    exit_code = exit_codes.DATA
