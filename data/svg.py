"""Renders SVG that is not trusted.

resvg runs no script, opens no connection, and limits how often elements are repeated. But it reads
image files that an SVG names, and the size that an SVG asks for can end the process. So only
shapes, gradients and filters are rendered, at a size that the caller sets.
"""

import xml.etree.ElementTree as ET

from data.errors import DataError

NAMESPACE = "http://www.w3.org/2000/svg"
ELEMENTS = frozenset(
    f"{{{NAMESPACE}}}{name}"
    for name in (
        *("circle", "clipPath", "defs", "ellipse", "g", "path", "rect", "use"),
        *("feBlend", "feColorMatrix", "feFlood", "feGaussianBlur", "feOffset", "filter"),
        *("linearGradient", "radialGradient", "stop"),
    )
)


def require_renderer() -> None:
    """Raises a DataError if resvg-py is missing."""
    try:
        import resvg_py  # noqa: F401
    except ImportError:
        raise DataError(
            "resvg-py is missing; in the folder of the project, run: pip install '.[svg]'"
        ) from None


def render_png(body: str, width: float, height: float, side: int) -> bytes:
    """Renders the content of an SVG, in the middle of a transparent square.

    Args:
        body: the elements within <svg>.
        width: extent of its coordinates, which begin at 0.
        height: likewise.
        side: of the square, in pixels.

    Returns:
        A PNG file, RGBA [side, side].

    Raises:
        DataError: the content is not well-formed, or has an element other than ELEMENTS or a
            reference to something outside it.
    """
    import resvg_py

    svg = (
        f'<svg xmlns="{NAMESPACE}" width="{side}" height="{side}" '
        f'viewBox="0 0 {width:g} {height:g}">{body}</svg>'
    )
    try:
        _check(ET.fromstring(svg))
        return resvg_py.svg_to_bytes(svg_string=svg, skip_system_fonts=True)
    except (ET.ParseError, ValueError) as error:  # resvg raises a ValueError, too
        raise DataError(f"rejected an SVG: {error}") from None


def _check(root: ET.Element) -> None:
    for element in root.iterfind(".//*"):
        if element.tag not in ELEMENTS:
            raise ValueError(f"its element {element.tag.rpartition('}')[2]!r} is not allowed")
        for name, value in element.attrib.items():
            if name.rpartition("}")[2] == "href" and not value.startswith("#"):
                raise ValueError(f"its reference {value[:100]!r} is outside the file")
