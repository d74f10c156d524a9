"""The errors that a person can cure by calling `iadb evaluate` in another way."""


class CandidateError(ValueError):
    """What is to be judged is neither a model nor a folder of images."""


class OutputError(ValueError):
    """A folder for the results that cannot be made."""
