"""near_duplicates.html: pictures of the largest groups."""

import base64
import pathlib
from collections.abc import Sequence

import jinja2
import tensorflow as tf
from tfx.dsl.io import fileio

from components.image_example_gen.shuffle.files import complete_file
from trainer import examples
from trainer.common.text import printable

MAX_GROUPS = 100
MAX_SHOWN = 12  # images of a group


def write_page(
    path: str, partial: str, groups: Sequence[tuple[int, Sequence[bytes]]], count: int
) -> None:
    """Writes the page, atomically; it contains its pictures.

    Args:
        path: of the page.
        partial: as in `complete_file`.
        groups: to show: how many images each one has, and serialized examples of some.
        count: number of all groups.
    """
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(pathlib.Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
    )
    shown = [(size, [_picture(example) for example in members]) for size, members in groups]
    text = environment.get_template("near_duplicates.html.j2").render(groups=shown, count=count)
    with complete_file(path, partial) as unfinished, fileio.open(unfinished, "w") as file:
        file.write(text)


def _picture(example: bytes) -> tuple[str, str]:
    """The path of an image, and the image in base64."""
    features = tf.train.Example.FromString(example).features.feature
    path, png = (features[name].bytes_list.value[0] for name in (examples.PATH, examples.IMAGE))
    return printable(path.decode()), base64.b64encode(png).decode()
