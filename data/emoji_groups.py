"""The emoji of data.emoji in nine classes, the groups of Unicode's list, such as animals-nature.

The npm package unicode-emoji-json has the groups. Files are named as those of data.emoji; a name
that Unicode's list lacks, such as that of a person with two skin tones, has the group of the emoji
without skin tones, or else of its first code point.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from data import emoji
from data.archives import obtain, read_files
from data.errors import DataError
from data.folder import write_images

PACKAGE = "npm:unicode-emoji-json@0.9.0"
CHECKSUM = "sha256:ae7efacb55533385bf8767d613dbd36c71226669759d95919a6e9059f5e4c401"
# The tarballs in a folder that is the source, as `npm pack` names them.
TARBALLS = ("lobehub-fluent-emoji-3d-1.1.0.tgz", "unicode-emoji-json-0.9.0.tgz")

LIST = "package/data-by-emoji.json"
VARIATION_SELECTOR = "fe0f"
SKIN_TONES = frozenset(("1f3fb", "1f3fc", "1f3fd", "1f3fe", "1f3ff"))


def write(folder: Path, source: str | None = None) -> int:
    """Writes FOLDER/<group>/<code points>.webp.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: folder with the TARBALLS; by default `npm pack` downloads them.

    Returns:
        The number of images.

    Raises:
        DataError: a tarball is unavailable or not the expected one, an emoji has no group, or a
            file cannot be written.
    """
    sources = emoji.PACKAGE, PACKAGE
    if source:
        sources = [str(Path(source, name)) for name in TARBALLS]
    images, table = map(obtain, sources, (emoji.CHECKSUM, CHECKSUM))
    groups = _read_groups(json.loads(dict(read_files(table))[LIST]))
    return write_images(folder, _in_groups(images, groups))


def _read_groups(listed: Mapping[str, Mapping[str, Any]]) -> dict[tuple[str, ...], str]:
    """The folder of each emoji, by its code points without variation selectors."""
    return {
        _without({VARIATION_SELECTOR}, (f"{ord(character):x}" for character in each)): (
            about["group"].lower().replace(" & ", "-")
        )
        for each, about in listed.items()
    }


def _in_groups(tarball: Path, groups: Mapping[tuple[str, ...], str]) -> Iterator[tuple[str, bytes]]:
    for name, content in emoji.read_assets(tarball):
        yield f"{find_group(name, groups)}/{name}", content


def find_group(name: str, groups: Mapping[tuple[str, ...], str]) -> str:
    """The group of the emoji in a file.

    Args:
        name: code points, hexadecimal: "1f3c3-1f3fb-200d-2640-fe0f.webp".
        groups: by code points without variation selectors.

    Raises:
        DataError: not even the first code point has one.
    """
    points = [point.lstrip("0") for point in Path(name).stem.replace("_", "-").split("-")]
    whole = _without({VARIATION_SELECTOR}, points)
    for key in (whole, _without(SKIN_TONES, whole), whole[:1]):
        if key in groups:
            return groups[key]
    raise DataError(f"{LIST}: no group for {name}")


def _without(left_out: frozenset[str] | set[str], points: Any) -> tuple[str, ...]:
    return tuple(point for point in points if point not in left_out)
