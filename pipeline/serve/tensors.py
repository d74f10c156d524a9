"""The inputs and outputs of a signature, and the arrays that requests give for them."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from pipeline.serve.errors import RequestError
from trainer.common.text import list_some, printable, shorten

if TYPE_CHECKING:
    import tensorflow as tf

SOURCE = "source"  # the input of which one row may serve all rows of the others
BYTES = np.dtype(object)  # of strings, whose elements are bytes


@dataclass(frozen=True)
class TensorSpec:
    """One input or output.

    Attributes:
        name: of the tensor.
        dtype: of its array; BYTES for strings.
        shape: sizes; None where any is allowed, which is so for the rows of a request alone.
    """

    name: str
    dtype: np.dtype
    shape: tuple[int | None, ...]

    def check(self, array: np.ndarray) -> np.ndarray:
        """Returns an array as the model takes it.

        Args:
            array: whose values can be represented in the type of the tensor. One value of any rank
                serves as a scalar.

        Raises:
            RequestError: shape or values do not fit.
        """
        if not self.shape and array.size == 1:
            array = array.reshape([])
        expected = [size if size is not None else "N" for size in self.shape]
        if len(array.shape) != len(self.shape) or any(
            size not in (None, found) for size, found in zip(self.shape, array.shape, strict=True)
        ):
            raise RequestError(
                f"{self.name}: expected shape {_text(expected)}, got {_text(array.shape)}"
            )
        if array.dtype == self.dtype:
            return array
        if array.size == 0:
            return array.astype(self.dtype)
        if self.dtype == BYTES:
            raise RequestError(f"{self.name}: expected strings")
        return self._cast(array)

    def tensor(self, array: np.ndarray) -> "tf.Tensor":
        """The constant of an array that fits."""
        import tensorflow as tf

        return tf.constant(array, tf.string if self.dtype == BYTES else self.dtype)

    def _cast(self, array: np.ndarray) -> np.ndarray:
        wanted = "a number" if self.dtype.kind == "f" else "a whole number"
        kinds = "iuf" if self.dtype.kind == "f" else "iu"
        if array.dtype.kind not in kinds:
            raise RequestError(f"{self.name}: expected {wanted}, {self.dtype.name}")
        with np.errstate(over="ignore", invalid="ignore"):
            cast = array.astype(self.dtype)
        if self.dtype.kind != "f" and np.any(cast != array):
            limits = np.iinfo(self.dtype)
            raise RequestError(
                f"{self.name}: expected {self.dtype.name}, {limits.min} to {limits.max}"
            )
        return cast


@dataclass(frozen=True)
class Signature:
    """A function of a model.

    Attributes:
        name: of the signature.
        inputs, outputs: its tensors by name.
        optional: further inputs, which a request may leave out.
    """

    name: str
    inputs: Mapping[str, TensorSpec]
    outputs: Mapping[str, TensorSpec]
    optional: Mapping[str, TensorSpec] = field(default_factory=dict)

    @property
    def takes(self) -> Mapping[str, TensorSpec]:
        """All inputs by name."""
        return {**self.inputs, **self.optional}

    def check(self, given: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        """Returns the inputs of a request as the model takes them.

        A single source is repeated: each copy in a request would take part of its size.

        Raises:
            RequestError: they are not those of the signature.
        """
        for problem, names in {
            "unknown": given.keys() - self.takes.keys(),
            "missing": self.inputs.keys() - given.keys(),
        }.items():
            if names:
                raise RequestError(
                    f"{problem} input {list_some(sorted(map(shorten, names)))}; {self.name} takes "
                    f"{list_some(sorted(self.takes))}"
                )
        arrays = {name: self.takes[name].check(array) for name, array in given.items()}
        rows = {name: len(array) for name, array in arrays.items() if array.ndim}
        single_source = rows.get(SOURCE) == 1
        counts = {count for name, count in rows.items() if not (single_source and name == SOURCE)}
        if len(counts) > 1:
            got = ", ".join(f"{count} of {name}" for name, count in rows.items())
            raise RequestError(f"expected as many rows of each input, got {got}")
        if single_source and counts:
            source = arrays[SOURCE]
            # A view: it takes the memory of one.
            arrays[SOURCE] = np.broadcast_to(source, (counts.pop(), *source.shape[1:]))
        return arrays


def array_of(name: str, values: Any) -> np.ndarray:
    """The array of numbers, booleans or bytes in nested lists of equal lengths.

    Raises:
        RequestError: the lists are ragged, or contain something else.
    """
    try:
        # As objects first: otherwise each string would take as much memory as the longest, and lose
        # zeros at its end.
        array = np.array(values, BYTES)
        types = {*map(type, array.flat)}
        if types == {bytes}:
            return array
        if types <= {bool, int, float}:
            array = np.array(values)
            if array.dtype.kind in "biuf":
                return array
    except (ValueError, OverflowError):  # ragged; beyond 64 bits
        pass
    raise RequestError(
        f"{printable(shorten(name))}: expected numbers or strings in lists of equal lengths"
    )


def _text(shape: Any) -> str:
    return f"[{', '.join(map(str, shape))}]"
