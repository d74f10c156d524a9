"""What people read of a single file: why it is set aside, or what is unusual about it.

These are all reasons in `rejected.json`; docs/own_images.md explains them.
"""

import errno

UNREADABLE = "cannot be read"  # in what a later run tries again
NOT_NOW = f"{UNREADABLE} now: the disk or network fails, or the archive is being written"

# Of an image.
EMPTY = "empty file"
NOT_AN_IMAGE = "not an image"
TRUNCATED = "truncated"
DAMAGED = "damaged"
HEIC = "HEIC or video: convert it to JPEG or PNG"
RARE = "damaged, or of a rare kind: save it as RGB or gray, with 8 or 16 bits a channel"
MANY_PIXELS = "more than max_pixels {}"
MANY_SCANS = "more than {} scans"
SMALL = "smaller than {} pixels (min_size, by default half of resolution)"

# Of an image or its source, where these are paired.
NO_SOURCE = "no source of this name"
NO_IMAGE = "no image of this name"
AMBIGUOUS = "several images or sources of this name, with other endings or accents"
OTHER_ASPECT = "source and image have different aspects"
IN_SOURCE = "source: {}"

# Notes on what is accepted.
PROFILE_IGNORED = "color profile ignored, because it is damaged or for another kind of image"
NEARLY_BLACK = "nearly black, with no value above 16 of 255, like 12-bit data in 16-bit files"
SAME_PIXELS = "the source has the same pixels"

# Errors of a disk or a network drive that does not answer.
OF_STORAGE = {
    *(errno.EIO, errno.ESTALE, errno.ETIMEDOUT, errno.ENOTCONN, errno.EREMOTEIO),
    *(errno.EHOSTDOWN, errno.EHOSTUNREACH, errno.ENETDOWN, errno.ENETUNREACH),
    *(errno.ECONNRESET, errno.ECONNABORTED),
}


def unreadable(error: OSError) -> str:
    """The reason of a file that cannot be read."""
    return NOT_NOW if error.errno in OF_STORAGE else f"{UNREADABLE} ({error.strerror})"
