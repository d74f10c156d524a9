"""Files of tensors in the format safetensors: a header in JSON, then the raw values.

The format is that of https://github.com/huggingface/safetensors. Only float32 is written and read.
The same tensors give the same bytes.
"""

import json
import struct
from collections.abc import Mapping

import numpy as np

HEADER_BYTES = struct.Struct("<Q")
ALIGNMENT = 8  # bytes
DTYPE, DTYPE_NAME = np.dtype("<f4"), "F32"


def dump(tensors: Mapping[str, np.ndarray]) -> bytes:
    """Returns the content of a file with float32 tensors by name."""
    header, parts, end = {}, [], 0
    for name in sorted(tensors):
        values = np.ascontiguousarray(tensors[name], DTYPE)
        start, end = end, end + values.nbytes
        # ascontiguousarray makes a vector of a scalar.
        shape = list(np.shape(tensors[name]))
        header[name] = {"dtype": DTYPE_NAME, "shape": shape, "data_offsets": [start, end]}
        parts.append(values.tobytes())
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % ALIGNMENT)
    return b"".join([HEADER_BYTES.pack(len(text)), text, *parts])


def load(content: bytes) -> dict[str, np.ndarray]:
    """Reads what `dump` returned; the caller has checked its digest.

    Returns:
        Read-only views of `content`, float32, by name.
    """
    [size] = HEADER_BYTES.unpack_from(content)
    begin = HEADER_BYTES.size + size
    header = json.loads(content[HEADER_BYTES.size : begin])
    return {
        name: np.frombuffer(content[begin + start : begin + end], DTYPE).reshape(found["shape"])
        for name, found in header.items()
        for start, end in [found["data_offsets"]]
    }
