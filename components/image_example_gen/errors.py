"""The error that a person can cure by changing the folder or its options."""

from trainer.common import exit_codes


class ImageDataError(ValueError):
    """The folder, its pattern or its files make no data set; the message is one line."""

    exit_code = exit_codes.DATA
