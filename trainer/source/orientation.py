"""The EXIF orientation of a JPEG as the graph of an exported model finds it: by a search.

Pillow reads the directory of the image alone. The graph takes the first entry that it finds, which
may be that of a thumbnail, and looks at the beginning of the file.
"""

EXIF = b"Exif\x00\x00"
EXIF_BYTES = 65_536  # at the start of a JPEG
# The entry of the orientation in EXIF, up to its value, with the lower or the higher byte first.
ENTRIES = (b"\x12\x01\x03\x00\x01\x00\x00\x00", b"\x01\x12\x00\x03\x00\x00\x00\x01\x00")


def found_by_search(file: bytes) -> int:
    """The orientation of a JPEG, 1 to 8; 1 where there is none."""
    after_exif = file[:EXIF_BYTES].partition(EXIF)[2]
    values = (after_exif.partition(entry)[2][:1] for entry in ENTRIES)
    return next((value[0] for value in values if value and 1 <= value[0] <= 8), 1)
