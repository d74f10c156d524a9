"""What feature spaces raise."""

from trainer.common import exit_codes


class FeatureError(ValueError):
    """A feature space that cannot be computed; one line says what is wrong and what to do."""

    exit_code = exit_codes.USAGE
