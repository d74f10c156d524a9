"""Files in the format of torch.save before version 1.6, built without torch."""

import struct

import numpy as np

MAGIC = 0x1950A86A20F9469CFC6C
STORAGES = {"<f4": "FloatStorage", "<i8": "LongStorage"}


def text(value):
    encoded = value.encode()
    return b"X" + struct.pack("<I", len(encoded)) + encoded


def number(value):
    return b"J" + struct.pack("<i", value)


def tuple_of(*items):
    return b"(" + b"".join(items) + b"t"


def pickled(body):
    return b"\x80\x02" + body + b"."


def storage(key, kind="FloatStorage", count=0):
    found = tuple_of(
        text("storage"), f"ctorch\n{kind}\n".encode(), text(key), text("cpu"), number(count), b"N"
    )
    return found + b"Q"


def tensor(stored, offset, shape, strides):
    sizes = (tuple_of(*map(number, each)) for each in (shape, strides))
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = tuple_of(stored, number(offset), *sizes, b"\x89", hooks)
    return b"ctorch._utils\n_rebuild_tensor_v2\n" + arguments + b"R"


def dictionary(items):
    content = b"".join(text(name) + value for name, value in items.items())
    return b"ccollections\nOrderedDict\n)R(" + content + b"u"


def list_of(items):
    return b"](" + b"".join(items) + b"e"


def assemble(state, keys=(), values=(), system=b"}X\x0d\0\0\0little_endian\x88s", magic=MAGIC):
    """A file, of its parts: `values` are the storages as bytes, with their lengths."""
    magic_bytes = magic.to_bytes(10, "little")
    parts = [b"\x8a\x0a" + magic_bytes, b"M\xe9\x03", system, state, list_of(map(text, keys))]
    return b"".join([*map(pickled, parts), *values])


def stored_values(array):
    return struct.pack("<q", array.size) + array.tobytes()


def torch_file(arrays):
    """A file with arrays by name, float32 or int64; Fortran order becomes strides."""
    state, values = {}, []
    for name, array in arrays.items():
        strides = [step // array.itemsize for step in array.strides]
        kind = STORAGES[array.dtype.str]
        state[name] = tensor(storage(name, kind, array.size), 0, array.shape, strides)
        values.append(stored_values(array.ravel(order="K")))
    return assemble(dictionary(state), arrays, values)


def arrays():
    """One array of each kind that published files hold."""
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(2, 3, 1, 4)).astype("<f4")
    return {
        "conv.weight": np.asfortranarray(kernel),
        "norm.bias": kernel[0, 0, 0].copy(),
        "norm.count": np.array(7, "<i8"),
        "_fc.weight": kernel[0, :, 0].copy(),
    }
