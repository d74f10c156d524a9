"""Resolves artifacts that a person or a program has chosen."""

from tfx import types
from tfx.dsl.components.common import resolver


class ByIdStrategy(resolver.ResolverStrategy):
    """Resolves one artifact for each channel.

    Args:
        ids: of the artifacts, by the key of their channel.
    """

    def __init__(self, ids: dict[str, int]) -> None:
        self._ids = ids

    def resolve_artifacts(
        self, store: object, input_dict: dict[str, list[types.Artifact]]
    ) -> dict[str, list[types.Artifact]] | None:
        """Returns the artifacts, or None if the files of one were removed."""
        found = {
            key: [each for each in artifacts if each.id == self._ids[key]]
            for key, artifacts in input_dict.items()
        }
        return found if all(found.values()) else None
