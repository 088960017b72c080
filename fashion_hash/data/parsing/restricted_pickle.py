"""Text vectors out of a pickle that need not be trusted.

A pickle is a program: loading one may run anything. This loader knows five globals, and each of
them is a stand-in written here that can do nothing but hold numbers; numpy itself never sees the
pickle. Everything else is refused by name.
"""

from __future__ import annotations

import mmap
import pickle
from collections.abc import Iterable
from pathlib import Path
from threading import local
from types import NoneType
from typing import Any

import numpy as np

from fashion_hash.errors import DataError

AMPLIFIED = 16  # bytes in memory for each byte of a file: two bytes may be a number of four, and text is encoded once
SPARE = 1 << 26  # bytes that any file may take, such as one whose vectors are mostly the same list
_left = local()


def _take(size: int) -> None:
    """Takes memory for `size` bytes; a file may name the same bytes or the same list thousands of times.

    Raises:
        DataError: the file has no more to take.
    """
    _left.bytes -= size
    if _left.bytes < 0:
        raise DataError(f"it holds the same content many times, {AMPLIFIED} times its own size in all and more")


def load_vectors(path: str | Path) -> dict[str, np.ndarray]:
    """{key: (F,) float32} from a pickle of {str: vector of floats}, such as sentence_vector/semantic.pkl.

    Vectors may be numpy arrays, lists or tuples of floats, pickled by Python 2 or 3 and any numpy.

    Raises:
        DataError: the file does not exist; it is truncated; it holds anything but such a dictionary
            (the message names the refused global or the key); lengths differ, or a number is not finite.
    """
    path = Path(path)
    try:
        # mapped: no length that the pickle announces takes memory beyond the end of the file
        with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as stream:
            _left.bytes = AMPLIFIED * len(stream) + SPARE
            loaded = _Loader(stream, path).load()
    except OSError as error:
        raise DataError(f"cannot read {path}: {error.strerror}") from None
    except DataError as error:
        raise error if str(path) in str(error) else DataError(f"{path}: {error}") from None
    except Exception as error:  # a broken pickle program fails in any way there is
        raise DataError(
            f"{path} is not a whole pickle ({type(error).__name__}: {_short(error)}): it is truncated or something "
            "else; copy it again"
        ) from None
    if not isinstance(loaded, dict) or not loaded:
        raise DataError(f"{path} holds {_kind(loaded)}, expected a dictionary of key -> vector")
    vectors: dict[str, np.ndarray] = {}
    dim = 0
    for key, value in loaded.items():
        if not isinstance(key, str):
            raise DataError(f"{path}: the key {_short(repr(key))} is {_kind(key)}, expected text")
        vector = _vector_of(path, key, value)
        dim = dim or len(vector)
        if len(vector) != dim or not dim:
            raise DataError(f"{path}: {_short(repr(key))} has {len(vector)} numbers, the others have {dim}")
        if not np.isfinite(vector).all():
            raise DataError(f"{path}: {_short(repr(key))} holds a number that is not finite")
        vectors[key] = vector
    return vectors


def _vector_of(path: Path, key: str, value: Any) -> np.ndarray:
    try:
        vector = _vector(value)
    except OverflowError:
        raise DataError(f"{path}: {_short(repr(key))} holds a number that is not finite") from None
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    if vector is None:
        raise DataError(f"{path}: {_short(repr(key))} holds {_kind(value)}, expected a vector of floats")
    return vector


def _vector(value: Any) -> np.ndarray | None:
    """(F,) float32, or None when the value is not a vector of floats."""
    if isinstance(value, _Array):
        return value.array if value.array is not None and value.array.ndim == 1 else None
    if isinstance(value, (list, tuple)) and all(type(number) in (int, float) for number in value):
        _take(4 * len(value))
        with np.errstate(over="ignore"):
            return np.array(value, dtype=np.float32)
    return None


def _kind(value: Any) -> str:
    if isinstance(value, _Array):
        return "an array" if value.array is None else f"an array of shape {value.array.shape}"
    return f"an empty {type(value).__name__}" if value in ({}, [], ()) else f"a {type(value).__name__}"


def _short(text: object) -> str:
    words = str(text)
    return words if len(words) <= 200 else f"{words[:200]}..."


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
        _take(len(raw) if dtype.dtype != np.float32 else 0)
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
    _take(len(text))
    return text.encode("latin-1")


def _ordered(pairs: Any = ()) -> dict[Any, Any]:
    pairs = list(pairs)
    _text_keys(key for key, _ in pairs)
    return dict(pairs)


_KNOWN: dict[tuple[str, str], Any] = {
    ("numpy", "dtype"): _DType,
    ("numpy", "ndarray"): _Array,
    ("_codecs", "encode"): _encode,
    ("collections", "OrderedDict"): _ordered,
}
for _core in ("numpy.core", "numpy._core"):
    _KNOWN[f"{_core}.multiarray", "_reconstruct"] = _reconstruct
    _KNOWN[f"{_core}.multiarray", "scalar"] = _scalar
    _KNOWN[f"{_core}.numeric", "_frombuffer"] = _from_buffer


class _Loader(pickle._Unpickler):
    """The unpickler in Python: unlike the one in C, each of its steps can be bounded.

    A few bytes could otherwise ask for a memo of gigabytes, for a key whose hash takes years, or for text longer than
    the file.
    """

    def __init__(self, stream: Any, path: Path) -> None:
        super().__init__(stream, encoding="latin-1")
        self._path = path

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _KNOWN:
            raise DataError(
                f"{self._path} asks for {_short(f'{module}.{name}')}, which is refused: text vectors need numpy arrays "
                "of floats, text and dictionaries only, and a pickle that asks for more may run code"
            )
        return _KNOWN[module, name]


_PLAIN: dict[int, Any] = dict(pickle._Unpickler.dispatch)


def _text_keys(keys: Iterable[Any]) -> None:
    """Refuses keys before they are hashed: the hash of a tuple of tuples may take years."""
    for key in keys:
        if type(key) not in (str, int, float, bool, bytes, NoneType):
            raise DataError(f"a key is {_kind(key)}, expected text")


def _set_item(loader: Any) -> None:
    _text_keys(loader.stack[-2:-1])
    _PLAIN[pickle.SETITEM[0]](loader)


def _set_items(loader: Any) -> None:
    _text_keys(loader.stack[::2])
    _PLAIN[pickle.SETITEMS[0]](loader)


def _dict(loader: Any) -> None:
    _text_keys(loader.stack[::2])
    _PLAIN[pickle.DICT[0]](loader)


def _byte_array(loader: Any) -> None:
    size = int.from_bytes(loader.read(8), "little")
    loader.append(bytearray(loader.read(size)))  # read first: Python would take memory for whatever size is announced


def _refuse(loader: Any) -> None:
    raise DataError("sets, extensions and objects of other classes are refused")


_Loader.dispatch = {
    **_PLAIN,
    pickle.SETITEM[0]: _set_item,
    pickle.SETITEMS[0]: _set_items,
    pickle.DICT[0]: _dict,
    pickle.BYTEARRAY8[0]: _byte_array,
    **{code[0]: _refuse for code in (pickle.EMPTY_SET, pickle.FROZENSET, pickle.ADDITEMS, pickle.EXT1, pickle.EXT2)},
    **{code[0]: _refuse for code in (pickle.EXT4, pickle.INST, pickle.OBJ, pickle.NEWOBJ, pickle.NEWOBJ_EX)},
    **{code[0]: _refuse for code in (pickle.PERSID, pickle.BINPERSID, pickle.NEXT_BUFFER, pickle.READONLY_BUFFER)},
}
