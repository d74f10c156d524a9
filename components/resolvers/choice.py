"""Which blessed models a run compares with or starts from: the rules, over ids of artifacts.

The resolvers apply them to what a run finds, and retention applies them to what the next run can
find, so that it never removes a model that a resolver may still choose. Ids grow with time.
Imports neither TFX nor TensorFlow.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence, Set
from typing import NamedTuple


class Blessing(NamedTuple):
    """A verdict on a model.

    Attributes:
        id: of the ModelBlessing.
        model: id of the Model.
        blessed: the verdict.
    """

    id: int
    model: int
    blessed: bool


def order_blessed(models: Collection[int], blessings: Iterable[Blessing]) -> dict[int, int]:
    """Selects the blessed models.

    Args:
        models: that may be chosen: not withdrawn, and their files exist.
        blessings: of these and other models.

    Returns:
        The latest blessing of each blessed model. The models are in the order of their first
        blessings, which is their own, except where `iadb promote` blessed an older one later.
    """
    latest = {}
    for blessing in sorted(blessings):
        if blessing.blessed and blessing.model in models:
            latest[blessing.model] = blessing.id
    return latest


def to_compare_with(blessed: Iterable[int], candidates: Collection[int]) -> list[int]:
    """The blessed models, in their order, that are not candidates; the last is the baseline."""
    return [model for model in blessed if model not in candidates]


def to_start_from(
    blessed: Iterable[int], examples: Mapping[int, Set[int]], current: Set[int]
) -> list[int]:
    """The blessed models, in their order, that did not train on the current examples.

    The last is the base model.

    Args:
        blessed: ids of models.
        examples: ids of the Examples that each of them trained on.
        current: ids of the Examples of the run.
    """
    return [model for model in blessed if not examples[model] & current]


def choosable(blessed: Sequence[int], examples: Mapping[int, Set[int]]) -> set[int]:
    """All models that the next run may choose, whatever its candidate and its examples are.

    Only those of the latest blessed model matter: with any others, that model is chosen itself.
    """
    latest = blessed[-1:]
    choices = [to_compare_with(blessed, candidates) for candidates in ((), latest)]
    choices += [
        to_start_from(blessed, examples, {each}) for model in latest for each in examples[model]
    ]
    return {model for choice in choices for model in choice[-1:]}
