"""matplotlib figures as inline SVG, colored by the CSS of the page, with text as text.

Importing this module imports matplotlib: import it where a figure is drawn.
"""

import io
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from xml.etree import ElementTree

import matplotlib
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure

WIDTH = 5.0  # inches of 72 units; a phone shows about one pixel per unit
# Placeholder colors for matplotlib, and the CSS variables that replace them.
TEXT, QUIET, LINE, SERIES, GOOD, BAD, PAGE = (f"#00000{i}" for i in range(1, 8))
_VARIABLES = {
    TEXT: "var(--text)",
    QUIET: "var(--quiet)",
    LINE: "var(--line)",
    SERIES: "var(--series)",
    GOOD: "var(--good)",
    BAD: "var(--bad)",
    PAGE: "var(--page)",
}
_STYLE = {
    "svg.fonttype": "none",
    "text.parse_math": False,
    "font.size": 11,
    "axes.edgecolor": LINE,
    "axes.labelcolor": QUIET,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": LINE,
    "grid.linewidth": 0.6,
    "xtick.color": LINE,
    "ytick.color": LINE,
    "xtick.labelcolor": QUIET,
    "ytick.labelcolor": QUIET,
}
_LOCK = threading.Lock()  # matplotlib's settings are global
_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"


@contextmanager
def svg_style() -> Iterator[None]:
    """Applies the style to figures that are made and converted in its context."""
    with _LOCK, matplotlib.rc_context(_STYLE):
        yield


def new_figure(height: float, width: float = WIDTH) -> tuple[Figure, Axes]:
    """A transparent figure with one pair of axes; sizes in inches of 72 units."""
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.patch.set_visible(False)
    axes = figure.subplots()
    axes.patch.set_visible(False)
    return figure, axes


def to_svg(figure: Figure, text_alternative: str) -> Markup:
    """Converts a figure to an <svg> element without ids of groups, fonts or inline styles."""
    file = io.StringIO()
    # The salt keeps ids unique on a page with several charts.
    with matplotlib.rc_context({"svg.hashsalt": text_alternative}):
        figure.savefig(file, format="svg")
    root = ElementTree.fromstring(file.getvalue())
    for parent in list(root.iter()):
        for child in list(parent):
            if child.tag in (f"{_SVG}metadata", f"{_SVG}style"):
                parent.remove(child)
    for element in root.iter():
        element.tag = element.tag.removeprefix(_SVG)
        _use_attributes(element)
    view = root.get("viewBox")
    root.attrib.clear()
    root.attrib.update({"viewBox": view, "role": "img", "aria-label": text_alternative})
    return Markup(ElementTree.tostring(root, encoding="unicode"))


def _use_attributes(element: ElementTree.Element) -> None:
    """Turns a `style`, which a page's policy may forbid, into attributes; drops the fonts."""
    if element.tag == "g":
        element.attrib.pop("id", None)
    target = element.attrib.pop(f"{_XLINK}href", None)
    if target:
        element.set("href", target)
    for declaration in element.attrib.pop("style", "").split(";"):
        name, _, value = (part.strip() for part in declaration.partition(":"))
        if name and not name.startswith("font"):
            element.set(name, _VARIABLES.get(value, value))
