"""Images that are read together: the spans of a folder, images held out, and sources."""

import itertools
import os
import weakref
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from components.image_example_gen.errors import ImageDataError
from components.image_example_gen.files import ImageFile, fingerprint
from components.image_example_gen.folders.listing import list_folder
from components.image_example_gen.folders.storage import is_folder, join
from components.image_example_gen.listed import Files, Listing
from components.image_example_gen.pairs import check_apart, match
from trainer import examples


@dataclass(frozen=True, order=True)
class Span:
    """The images of one folder that arrived together.

    Attributes:
        number: from the folder's name; days since 1970 for a date; 0 if the pattern has neither.
        folder: relative to the data folder, with forward slashes; empty for the data folder itself.
    """

    number: int
    folder: str


WHOLE_FOLDER = Span(0, "")


@dataclass(frozen=True)
class ImageSource:
    """Images that are read together.

    Attributes:
        folder: the data folder.
        window: its spans to read, ascending, at least one.
        split: the split of all images; None: hashes assign the images to train and eval.
        sources: folder with what a model is to translate to these images, in the same folders and
            under the same names; empty for images without.
        held_out: groups of group_pattern with images in data.holdout, none of which is trained on.
    """

    folder: str
    window: tuple[Span, ...] = (WHOLE_FOLDER,)
    split: str | None = None
    sources: str = ""
    held_out: frozenset[str] = frozenset()

    @property
    def root(self) -> str:
        """The folder of all images; that of the only span where their paths begin with it."""
        return self.folder or self.window[0].folder

    def listing(self, listings: "Listings | None" = None) -> Listing:
        """Lists the files of the window.

        With `sources`, images have theirs, and files without a partner have a problem.

        Args:
            listings: of the two folders of pairs, if they are wanted.

        Raises:
            ImageDataError: the last span of the window has no images, a folder is unreadable, no
                image has a source, or the sources are not in a folder apart.
        """
        if not self.sources:
            return self._list()
        listings = listings or Listings()
        check_apart(self.root, self.sources)
        found = listings.of(replace(self, sources=""))
        # The paths of a held-out folder begin with it.
        *earlier, last = self.window if self.folder else (WHOLE_FOLDER,)
        window = (*(span for span in earlier if may_have_sources(self.sources, span)), last)
        others = listings.of(ImageSource(self.sources, window))
        files = match(found.images, others.images, self.sources)
        if not any(file.source for file in files):
            raise ImageDataError(
                f"{self.sources}: no file is named like one in {self.root}; a source has the path "
                f"of its image, up to the ending: found {others.images[0].path_in_span!r} and "
                f"{found.images[0].path_in_span!r}"
            )
        files.sort(key=attrgetter("path", "problem"))
        return Listing(files, found.others + others.others)

    def _list(self) -> Listing:
        listings = [
            list_folder(
                os.path.join(self.folder, span.folder).rstrip("/"),
                required=span is self.window[-1],
                span=span.number,
                below=span.folder,
            )
            for span in self.window
        ]
        if len(listings) == 1:
            return listings[0]
        images = Files(itertools.chain.from_iterable(listing.images for listing in listings))
        return Listing(images, sum((listing.others for listing in listings), Counter()))

    def list_files(self) -> Sequence[ImageFile]:
        """Lists the image files of the window, sorted by path, as `listing` does."""
        return self.listing().images


def may_have_sources(sources: str, span: Span) -> bool:
    """Whether a span has a folder of sources, or there is none at all, which is an error."""
    there = join(sources, span.folder) if span.folder else sources
    return is_folder(there) or not is_folder(sources)


def holdout_source(folder: str, sources: str = "") -> ImageSource:
    """Returns the images of a held-out folder; their paths begin with the folder."""
    return ImageSource("", (Span(0, folder.rstrip("/")),), examples.HOLDOUT, sources)


def unpaired_sources(folder: str, images: str) -> ImageSource:
    """Returns all sources of a folder, not paired with images; their paths begin with the folder.

    Args:
        folder: of the sources.
        images: the data folder.

    Raises:
        ImageDataError: one of the folders is the other, or in it.
    """
    check_apart(images, folder)
    return ImageSource("", (Span(0, folder.rstrip("/")),))


def run_sources(
    images: ImageSource, holdout: str | None, sources: str | None, unpaired: str | None
) -> list[ImageSource]:
    """Returns all that a run reads.

    Args:
        images: to train on.
        holdout: folder of images that are held out, if there is one.
        sources: that of their sources, if they have any.
        unpaired: folder of sources that are not paired with images, if there is one.

    Raises:
        ImageDataError: as `unpaired_sources`.
    """
    found = [images]
    if holdout:
        found.append(holdout_source(holdout, sources or ""))
    if unpaired:
        found.append(unpaired_sources(unpaired, images.folder))
    return found


class Listings:
    """What a run has listed, each source once, for all parts of the run that ask for it.

    The driver of the ingest takes it over, if it is in the same process.
    """

    def __init__(self) -> None:
        self._made: dict[ImageSource, Listing] = {}

    def __enter__(self) -> "Listings":
        _of_runs.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        _of_runs.discard(self)

    def of(self, source: ImageSource) -> Listing:
        """Returns the listing of a source, and makes it the first time.

        Raises:
            ImageDataError: as `ImageSource.listing`.
        """
        if source not in self._made:
            self._made[source] = source.listing(self)
        return self._made[source]

    def give(self) -> dict[ImageSource, Listing]:
        """Returns all listings, and forgets them: a million files take their memory."""
        made, self._made = self._made, {}
        return made


class Offer:
    """What the driver has listed, for an executor in the same process; gone with this object.

    TFX hands over nothing but text, and in a second listing there may be more files than in the
    fingerprint, by which later runs use the examples again.

    Args:
        sources: to list, unless a run has.

    Attributes:
        listings: of the sources.
        fingerprint: of the files.

    Raises:
        ImageDataError: as `ImageSource.listing`.
    """

    def __init__(self, sources: Sequence[ImageSource]) -> None:
        made = {source: listing for run in _of_runs for source, listing in run.give().items()}
        self.listings = {source: made.get(source) or source.listing() for source in sources}
        files = (file for each in self.listings.values() for file in each.images)
        self.fingerprint = fingerprint(files)
        _offers[self.fingerprint] = self


_of_runs: set[Listings] = set()
_offers: weakref.WeakValueDictionary[str, Offer] = weakref.WeakValueDictionary()


def take_listing(source: ImageSource, found: str) -> Listing:
    """Returns the listing of a source that the driver has made, once, or makes it.

    Args:
        source: to list.
        found: the fingerprint of all that the driver has listed, maybe on another machine.

    Raises:
        ImageDataError: as `ImageSource.listing`.
    """
    offer = _offers.get(found)
    return (offer and offer.listings.pop(source, None)) or source.listing()
