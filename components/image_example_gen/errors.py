"""The error that users fix by changing the data folder or its options."""

from trainer.common import exit_codes


class ImageDataError(ValueError):
    """The folder, its pattern or its files are not a valid data set; the message is one line."""

    exit_code = exit_codes.DATA
