"""The errors that a person can cure by calling `iadb evaluate` in another way."""

from trainer.common import exit_codes


class CandidateError(ValueError):
    """What is to be judged is neither a model nor a folder of images."""

    exit_code = exit_codes.USAGE
