"""The error that feature spaces raise."""

from trainer.common import exit_codes


class FeatureError(ValueError):
    """A feature space cannot be computed; one line gives the reason and the remedy."""

    exit_code = exit_codes.USAGE
