"""Text vectors out of a pickle that nobody has to trust.

A pickle is a program: loading one may run anything. This loader knows five globals, and each of
them is a stand-in written here that can do nothing but hold numbers; numpy itself never sees the
pickle. Everything else is refused by name.
"""

from __future__ import annotations

import pickle
from collections import OrderedDict
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from fashion_hash.errors import DataError


def load_vectors(path: str | Path) -> dict[str, np.ndarray]:
    """{key: (F,) float32} from a pickle of {str: vector of floats}, such as sentence_vector/semantic.pkl.

    Vectors may be numpy arrays, lists or tuples of floats, pickled by Python 2 or 3 and any numpy.

    Raises:
        DataError: there is no such file; it is truncated; it holds anything but such a dictionary
            (the message names the refused global or the key); lengths differ, or a number is not finite.
    """
    path = Path(path)
    try:
        with open(path, "rb") as stream:
            loaded = _Loader(stream, path).load()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except DataError:
        raise
    except Exception as error:  # a broken pickle program fails in any way there is
        raise DataError(
            f"{path} is not a whole pickle ({type(error).__name__}: {error}): truncated or something else; "
            "copy it again"
        ) from None
    if not isinstance(loaded, dict) or not loaded:
        raise DataError(f"{path} holds {_kind(loaded)}, expected a dictionary of key -> vector")
    vectors: dict[str, np.ndarray] = {}
    dim = 0
    for key, value in loaded.items():
        if not isinstance(key, str):
            raise DataError(f"{path}: the key {key!r} is {_kind(key)}, expected text")
        vector = _vector(value)
        if vector is None:
            raise DataError(f"{path}: {key!r} holds {_kind(value)}, expected a vector of floats")
        dim = dim or len(vector)
        if len(vector) != dim or not dim:
            raise DataError(f"{path}: {key!r} has {len(vector)} numbers, the others have {dim}")
        if not np.isfinite(vector).all():
            raise DataError(f"{path}: {key!r} holds a number that is not finite")
        vectors[key] = vector
    return vectors


def _vector(value: Any) -> np.ndarray | None:
    """(F,) float32, or None when the value is nothing of the kind."""
    if isinstance(value, _Array):
        return value.array if value.array is not None and value.array.ndim == 1 else None
    if isinstance(value, (list, tuple)) and all(type(one) in (int, float) for one in value):
        with np.errstate(over="ignore"):
            return np.array(value, dtype=np.float32)
    return None


def _kind(value: Any) -> str:
    if isinstance(value, _Array):
        return "an array" if value.array is None else f"an array of shape {value.array.shape}"
    return f"an empty {type(value).__name__}" if value in ({}, [], ()) else f"a {type(value).__name__}"


class _DType:
    """Stands for numpy.dtype: a kind and size of number, and in which order its bytes are."""

    def __init__(self, code: str, *_: object) -> None:
        if code not in ("f2", "f4", "f8"):
            raise DataError(f"an array of {code!r} is refused: expected floats (f2, f4, f8)")
        self.dtype = np.dtype(f"<{code}")

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        if state[1] == ">":
            self.dtype = self.dtype.newbyteorder(">")


class _Array:
    """Stands for numpy.ndarray: floats out of raw bytes."""

    def __init__(self) -> None:
        self.array: np.ndarray | None = None

    def fill(self, shape: Any, dtype: _DType, raw: bytes | bytearray | str) -> _Array:
        if isinstance(raw, str):  # Python 2 had no other bytes
            raw = raw.encode("latin-1")
        shape = (shape,) if isinstance(shape, int) else tuple(shape)
        with np.errstate(over="ignore"):
            self.array = np.frombuffer(raw, dtype.dtype).reshape(shape).astype(np.float32, copy=False)
        return self

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, _, raw = state
        self.fill(shape, dtype, raw)


def _reconstruct(*_: object) -> _Array:
    return _Array()


def _from_buffer(raw: Any, dtype: _DType, shape: Any, *_: object) -> _Array:
    return _Array().fill(shape, dtype, raw)


def _scalar(dtype: _DType, raw: bytes | str) -> float:
    (value,) = np.asarray(_Array().fill(1, dtype, raw).array).tolist()
    return float(value)


def _encode(text: str, encoding: str) -> bytes:
    if encoding not in ("latin1", "latin-1"):  # how Python 3 writes bytes for Python 2
        raise DataError(f"bytes in {encoding!r} are refused")
    return text.encode("latin-1")


_KNOWN = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): OrderedDict,
}
for _core in ("numpy.core", "numpy._core"):
    _KNOWN[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _KNOWN[f"{_core}.multiarray", "scalar"] = _scalar
    _KNOWN[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Loader(pickle.Unpickler):
    def __init__(self, stream: BinaryIO, path: Path) -> None:
        super().__init__(stream, encoding="latin-1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise DataError(
                f"{self._path} asks for {module}.{name}, which is refused: text vectors need numpy arrays of "
                "floats, text and dictionaries only, and a pickle that asks for more may run code"
            )
        return _KNOWN[module, name]
