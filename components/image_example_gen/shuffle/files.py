"""Files that several workers write and read, local or at a URI."""

import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager

from tfx.dsl.io import fileio

# Folders in an artifact.
PARTIAL = ".partial"  # while a run works: parts, and what is being written
PART_SUFFIX = ".part"
INDEX = ".index"  # where the example of each file is, for later runs
INDEX_SUFFIX = ".rows"


@contextmanager
def complete_file(path: str, partial: str) -> Iterator[str]:
    """Yields the path of a new file in the folder `partial`, which is moved to `path` at the end.

    An exception leaves it in `partial`.
    """
    unfinished = os.path.join(partial, uuid.uuid4().hex)
    yield unfinished
    fileio.rename(unfinished, path, overwrite=True)
