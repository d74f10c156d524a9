"""Microsoft's Fluent emoji in flat colors: 3,139 RGBA images of 128x128 pixels, drawn from SVG.

The npm package @iconify-json/fluent-emoji-flat contains them under English names, with a table of
the code points of each. Files are named as those of data.emoji, so that both can be paired by name:
3,025 of these emoji are there in 3D. The other 366 files of the 3D package are flags, families,
couples, hands that point right, and second pictures of 16 emoji, whose names are spelled otherwise.
"""

import json
import unicodedata
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from data.archives import obtain, read_files
from data.errors import DataError
from data.folder import write_images

PACKAGE = "npm:@iconify-json/fluent-emoji-flat@1.2.6"
CHECKSUM = "sha256:7d064769dee690815f823bc5bcc511d957198caf9f5edd8dd9c1aa48a6aeb175"
SIDE = 128  # pixels

ICONS, NAMES = "package/icons.json", "package/chars.json"
VARIATION_SELECTOR = "\ufe0f"
SKIN_TONES = frozenset("\U0001f3fb\U0001f3fc\U0001f3fd\U0001f3fe\U0001f3ff")
WIDE_TEXT = frozenset("〰〽㊗㊙🈂🈷")
# The 3D package has medium and medium-light skin under each other's code points, of 287 emoji that
# are in both packages; but not where people sit at a computer.
SWAPPED_TONES = str.maketrans("\U0001f3fc\U0001f3fd", "\U0001f3fd\U0001f3fc")
COMPUTER = "\U0001f4bb"


def write(folder: Path, source: str | None = None) -> int:
    """Writes FOLDER/<code points>.png.

    Args:
        folder: where to write; files that are already correct are not touched.
        source: path or URL of the package's tarball; by default `npm pack` downloads it.

    Returns:
        The number of images.

    Raises:
        DataError: resvg-py is missing, the tarball is unavailable or not the expected one, or a
            file cannot be written.
    """
    try:
        from resvg_py import svg_to_bytes
    except ImportError:
        raise DataError(
            "resvg-py is missing; in the folder of the project, run: pip install '.[svg]'"
        ) from None
    files = dict(read_files(obtain(source or PACKAGE, CHECKSUM)))
    icons, names = json.loads(files[ICONS]), json.loads(files[NAMES])
    return write_images(folder, _render(icons, names, svg_to_bytes), total=len(names))


def _render(
    icons: dict[str, Any], names: dict[str, str], draw: Callable[..., bytes]
) -> Iterator[tuple[str, bytes]]:
    """Draws each icon as large as fits into the middle of a transparent square."""
    for code_points, name in names.items():
        icon = icons["icons"][name]
        # The size of an icon is that of the set unless it has one of its own.
        width, height = (icon.get(key, icons[key]) for key in ("width", "height"))
        svg = (
            f'<svg xmlns="http://www.w3.org/2000/svg" width="{SIDE}" height="{SIDE}" '
            f'viewBox="0 0 {width:g} {height:g}">{icon["body"]}</svg>'
        )
        yield file_name(code_points), draw(svg_string=svg, skip_system_fonts=True)


def file_name(code_points: str) -> str:
    """Names the file of an emoji as the 3D package does.

    It has variation selectors, and swaps two skin tones.

    Args:
        code_points: the emoji without variation selectors, hexadecimal: "26f9-200d-2640".

    Returns:
        The name: "26f9-fe0f-200d-2640-fe0f.png".
    """
    text = "".join(chr(int(each, 16)) for each in code_points.split("-"))
    if COMPUTER not in text:
        text = text.translate(SWAPPED_TONES)
    spelled = ""
    for character, following in zip(text, [*text[1:], ""], strict=True):
        spelled += character
        if _is_text_by_default(character) and following not in SKIN_TONES:
            spelled += VARIATION_SELECTOR
    return "-".join(f"{ord(each):x}" for each in spelled) + ".png"


def _is_text_by_default(character: str) -> bool:
    """Whether a part of an emoji lacks Unicode's property Emoji_Presentation (UTS 51).

    Python's database does not have the property. Characters with it are wide; those without it are
    not, except for WIDE_TEXT. Joiners and marks (categories C and M) do not count.
    """
    if unicodedata.category(character)[0] in "CM":
        return False
    return unicodedata.east_asian_width(character) != "W" or character in WIDE_TEXT
