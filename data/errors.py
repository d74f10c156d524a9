"""What goes wrong in ways that a user can mend."""


class DataError(ValueError):
    """A dataset cannot be made as asked; the message is one line that says what to do."""
