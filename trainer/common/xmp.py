"""The mark in the files of generated images: XMP metadata that say that a model made them.

It is the IPTC's digital source type (https://cv.iptc.org/newscodes/digitalsourcetype/), which image
editors read. It is not signed: whoever edits a file can remove it.
"""

import importlib.metadata
import zlib
from pathlib import Path
from xml.sax.saxutils import quoteattr

KEYWORD = "XML:com.adobe.xmp"  # of the chunk iTXt of a PNG (XMP specification, part 3, 1.1.5)
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
NAMESPACE = "urn:iadb-tfx:1.0/"
HEAD_BYTES = 1 << 16  # of a file, which has its metadata before its pixels
WRITTEN_BY = "iadb:writtenBy"
TRAINING, EVALUATION = "training", "evaluation"  # its values


def packet(weights: str, written_by: str = "") -> str:
    """Writes an XMP packet.

    Args:
        weights: what tells the model from others, the `weights` of its metadata; empty if unknown.
        written_by: TRAINING or EVALUATION, whose pictures belong to a workspace; empty for others.
    """
    known = {"iadb:weights": weights, WRITTEN_BY: written_by}
    attributes = " ".join(f"{name}={quoteattr(value)}" for name, value in known.items() if value)
    version = importlib.metadata.version("iadb-tfx")
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about=""'
        ' xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/"'
        ' xmlns:xmp="http://ns.adobe.com/xap/1.0/"'
        f' xmlns:iadb="{NAMESPACE}"'
        f' Iptc4xmpExt:DigitalSourceType="{SOURCE_TYPE}"'
        f' xmp:CreatorTool="iadb-tfx {version}" {attributes}/>'
        '</rdf:RDF></x:xmpmeta><?xpacket end="r"?>'
    )


def why_kept(path: Path) -> str:
    """Why no command replaces a PNG or a GIF, in a few words; empty if a command drew it."""
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
    except OSError:
        return "cannot be read"
    if NAMESPACE.encode() not in head:
        return "does not say that a model made it"
    if f"{WRITTEN_BY}=".encode() in head:
        return "was written by a training or an evaluation"
    return ""


def png_chunk(packet: str) -> bytes:
    """A chunk iTXt, uncompressed (PNG specification, 11.3.3.4), with its length and checksum."""
    content = b"iTXt" + KEYWORD.encode() + b"\0" * 5 + packet.encode()
    length, crc = len(content) - 4, zlib.crc32(content)
    return length.to_bytes(4, "big") + content + crc.to_bytes(4, "big")
