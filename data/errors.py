"""What goes wrong in ways that a user can mend."""

from trainer.common import exit_codes


class DataError(ValueError):
    """A dataset cannot be made as asked; the message is one line that says what to do."""

    exit_code = exit_codes.DATA
