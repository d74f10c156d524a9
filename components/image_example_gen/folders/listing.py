"""Lists the images below a folder, local or in a bucket, in files and in archives.

Hidden files and folders (.DS_Store, .git) are ignored. Links to folders are not followed, links to
files only inside the folder.
"""

import itertools
import os
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import replace

from components.image_example_gen.errors import ImageDataError, not_listed
from components.image_example_gen.files import (
    ARCHIVES,
    PARQUET,
    SUFFIXES,
    ImageFile,
    describe_endings,
    describe_unread,
    ending,
    unread,
)
from components.image_example_gen.folders.local import LINK, is_hidden, walk_local
from components.image_example_gen.folders.storage import (
    is_remote,
    join,
    no_folder,
    open_file,
    walk_bucket,
)
from components.image_example_gen.folders.tar import list_tar
from components.image_example_gen.listed import Files, Listing

IMAGES = tuple(SUFFIXES)
LISTED = (*IMAGES, *ARCHIVES)
NO_NAME = "a folder in its path has no name: rename the object"


def list_folder(folder: str, *, required: bool = True, span: int = 0, below: str = "") -> Listing:
    """Lists the files at any depth below a local folder or a URI (gs://, s3://), in one walk.

    Args:
        folder: local or a URI.
        required: whether a folder without image files is an error.
        span: number of the span that the folder is.
        below: the folder of the span, with which the paths then begin; empty if it is none.

    Raises:
        ImageDataError: the folder is missing, unreadable or, if required, has no image file.
        StorageError: the storage does not answer, or refuses the credentials.
    """
    others: Counter[str] = Counter()
    found = walk_images(folder, others)
    if below:
        found = (
            replace(file, path=f"{below}/{file.path}", span=span, span_folder=below)
            for file in found
        )
    images = Files(found)
    if required and not images:
        raise _no_images(folder, others)
    return Listing(images, others)


def walk_images(folder: str, others: Counter[str]) -> Iterator[ImageFile]:
    """Yields the image files of `list_folder` in any order.

    The other files are added to `others`, by ending.

    Raises:
        ImageDataError: the folder is missing or unreadable.
        StorageError: as above.
    """
    root = folder.rstrip("/") or "/"
    if is_remote(root):
        found = ((path, stat, "") for path, stat in walk_bucket(root) if not _is_hidden(path))
    elif not os.path.isdir(root):
        raise no_folder(root)
    else:
        found = walk_local(root, lambda name: _ends(name, LISTED))
    for path, stat, problem in found:
        if problem == LINK:
            others[LINK] += 1
        elif not problem and _ends(path, ARCHIVES):
            yield from _entries(root, ImageFile(path, *stat), others)
        elif problem or _ends(path, IMAGES):
            problem = problem or (NO_NAME if "//" in f"/{path}" else "")
            yield ImageFile(path, *(stat or ()), problem=problem)
        else:
            others[ending(path)] += 1


def check_has_images(folder: str) -> None:
    """Raises what `list_folder` would raise about the whole folder; stops at the first image."""
    others: Counter[str] = Counter()
    if next(walk_images(folder, others), None) is None:
        raise _no_images(folder, others)


def check_not_unread(folder: str) -> None:
    """Raises what `check_has_images` raises if there are files of UNREAD, or links to folders."""
    others: Counter[str] = Counter()
    if next(walk_images(folder, others), None) is None and (unread(others) or others[LINK]):
        raise _no_images(folder, others)


def count_images(folder: str, at_most: int) -> int:
    """Counts the image files that `walk_images` yields; stops at `at_most`."""
    return sum(1 for _ in itertools.islice(walk_images(folder, Counter()), at_most))


def _is_hidden(path: str) -> bool:
    return any(map(is_hidden, path.split("/")))


def _ends(name: str, endings: tuple[str, ...]) -> bool:
    return name.lower().endswith(endings)


def _entries(root: str, archive: ImageFile, others: Counter[str]) -> Iterator[ImageFile]:
    """Yields the images in an archive, and the archive itself if something is wrong with it."""
    path = join(root, archive.path)
    is_parquet = _ends(archive.path, (PARQUET,))
    try:
        with open_file(path) as stream:
            if is_parquet:
                from components.image_example_gen.folders.parquet import list_parquet

                yield from list_parquet(stream, archive)
                return
            for file in list_tar(stream, archive):
                if file.problem or _ends(file.path, IMAGES):
                    yield file
                else:
                    others[ending(file.path)] += 1
    except FileNotFoundError:
        return  # it was removed meanwhile
    except OSError as error:
        raise not_listed(root, f"archive {archive.path!r}", error) from None


def _no_images(folder: str, others: Mapping[str, int]) -> ImageDataError:
    found = f", found {describe_endings(others)}" if others else ""
    return ImageDataError(
        f"{folder}: no image files below this folder{found}; image files end in "
        f"{' '.join(sorted(SUFFIXES))}, archives of them in {' '.join(ARCHIVES)}, and links to "
        f"folders are not followed{''.join(f'; {line}' for line in describe_unread(others))}"
    )
