"""What feature spaces raise."""

from trainer.common import exit_codes


class FeatureError(ValueError):
    """A feature space that cannot be computed; one line says what is wrong and what to do."""

    exit_code = exit_codes.USAGE


def first_line(error: Exception) -> str:
    """The first line of an error's text, or its type where it has none."""
    return (str(error).strip() or type(error).__name__).splitlines()[0]
