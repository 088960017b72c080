import contextlib
import os
import pickle
import time
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.data.parsing.restricted_pickle import load_vectors
from fashion_hash.errors import DataError


def save(tmp_path: Path, value: object, protocol: int = 2) -> Path:
    path = tmp_path / "semantic.pkl"
    path.write_bytes(pickle.dumps(value, protocol=protocol))
    return path


@pytest.mark.parametrize("protocol", range(6))
@pytest.mark.parametrize("dtype", ["<f4", "<f8", ">f8", "<f2"])
def test_arrays_of_every_protocol(tmp_path, protocol, dtype):
    rng = np.random.default_rng(0)
    given = {f"é{i}.jpg": rng.normal(size=2400).astype(dtype) for i in range(3)}
    found = load_vectors(save(tmp_path, given, protocol))
    assert list(found) == list(given)
    for key, vector in given.items():
        assert found[key].dtype == np.float32
        assert np.array_equal(found[key], vector.astype(np.float32))


def test_written_by_python_2(tmp_path):
    """Protocol 2 of Python 2: numpy.core, and raw bytes as a latin-1 string."""
    path = tmp_path / "semantic.pkl"
    raw = np.array([1.5, -2.0], dtype="<f4").tobytes()
    path.write_bytes(
        b"\x80\x02}q\x00U\x05a.jpgcnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R"
        b"(K\x01K\x02\x85cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xff"
        b"K\x00tb\x89U\x08" + raw + b"tbs."
    )
    assert load_vectors(path)["a.jpg"].tolist() == [1.5, -2.0]


def test_lists_scalars_and_ordered_dicts(tmp_path):
    given = OrderedDict(a=[1, 2.5], b=(0.0, -1.0), c=[np.float64(3), np.float32(4)])
    found = load_vectors(save(tmp_path, given))
    assert {key: value.tolist() for key, value in found.items()} == {"a": [1, 2.5], "b": [0, -1], "c": [3, 4]}


class Runs:
    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_code_is_refused_and_never_run(tmp_path, protocol):
    victim = tmp_path / "victim"
    for function, arguments, named in (
        (os.system, (f"touch {victim}",), r"posix\.system"),
        (eval, (f"open({str(victim)!r}, 'w')",), r"(builtins|__builtin__)\.eval"),
        (getattr, ("", "join"), r"(builtins|__builtin__)\.getattr"),
        (np.load, (str(victim),), r"numpy.*\.load"),
        (Path, (str(victim),), r"pathlib.*Path"),
    ):
        path = save(tmp_path, {"a": np.ones(3), "b": Runs(function, *arguments)}, protocol)
        with pytest.raises(DataError, match=rf"semantic\.pkl asks for {named}, which is refused"):
            load_vectors(path)
        assert not victim.exists()


def test_the_stand_ins_refuse_what_numpy_would_do(tmp_path):
    with pytest.raises(DataError, match="an array of 'O8' is refused"):
        load_vectors(save(tmp_path, {"a": np.array([Runs(os.getpid)], dtype=object)}))
    with pytest.raises(DataError, match="an array of 'V8' is refused"):
        load_vectors(save(tmp_path, {"a": np.zeros(2, dtype=[("x", "f8")])}))
    path = tmp_path / "semantic.pkl"
    path.write_bytes(b"c_codecs\nencode\n(Vxx\nVrot13\ntR.")
    with pytest.raises(DataError, match="bytes in 'rot13' are refused"):
        load_vectors(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_truncated(tmp_path, share):
    path = save(tmp_path, {str(i): np.ones(100, dtype=np.float32) for i in range(20)})
    path.write_bytes(path.read_bytes()[: int(share * path.stat().st_size)])
    with pytest.raises(DataError, match=r"semantic\.pkl is not a whole pickle .*copy it again"):
        load_vectors(path)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([1.0, 2.0], "holds a list, expected a dictionary"),
        ({}, "holds an empty dict, expected a dictionary"),
        ({3: np.ones(2)}, "the key 3 is a int, expected text"),
        ({"a": "words"}, "'a' holds a str, expected a vector"),
        ({"a": np.ones((2, 2))}, r"'a' holds an array of shape \(2, 2\)"),
        ({"a": [1.0, "x"]}, "'a' holds a list"),
        ({"a": np.ones(3), "b": np.ones(4)}, "'b' has 4 numbers, the others have 3"),
        ({"a": []}, "'a' has 0 numbers"),
        ({"a": np.ones(3), "b": np.array([1, np.nan, 2])}, "'b' holds a number that is not finite"),
        ({"a": np.array([1e300])}, "'a' holds a number that is not finite"),
        ({"a": np.arange(3)}, "an array of 'i8' is refused"),
        ({"a": [10**400, 1.0]}, "'a' holds a number that is not finite"),
    ],
)
def test_anything_but_vectors(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        load_vectors(save(tmp_path, value))


def test_no_such_file(tmp_path):
    with pytest.raises(DataError, match=r"cannot read .*semantic\.pkl: No such file"):
        load_vectors(tmp_path / "semantic.pkl")


def test_random_damage_never_escapes(tmp_path):
    """Any bytes at all give vectors or a DataError."""
    whole = pickle.dumps({"a": np.ones(4), "b": np.ones(4)}, protocol=2)
    rng = np.random.default_rng(0)
    path = tmp_path / "semantic.pkl"
    for _ in range(400):
        damaged = bytearray(whole)
        for at in rng.integers(0, len(whole), 3):
            damaged[at] = rng.integers(256)
        path.write_bytes(damaged)
        with contextlib.suppress(DataError):
            load_vectors(path)


@pytest.mark.parametrize(
    "program",
    [
        b"\x80\x04}" + b"(" * 2000 + b"." * 10,
        b"\x80\x02}r\xff\xff\xff\x7f.",  # a memo of 2^31 entries
        b"\x80\x04}\x8e" + (2**40).to_bytes(8, "little") + b"x.",  # bytes of a terabyte
        b"\x80\x05}\x96" + (2**40).to_bytes(8, "little") + b"x.",
        b"\x80\x04\x95" + (2**62).to_bytes(8, "little") + b"}.",
        b"\x80\x02}\x8b" + (2**31 - 1).to_bytes(4, "little") + b"x.",
        b"\x80\x02}(" + b"\x85" * 100_000 + b"K\x01u.",  # tuples in tuples
        b"}(K\x01" + b"\x85" * 100_000 + b"K\x01u.",
        b"I" + b"9" * 200_000 + b"\n.",
        b"}(K\x01" + b"2\x86" * 60 + b"K\x02u.",  # a key whose hash takes 2^60 steps
        b"ccollections\nOrderedDict\n](K\x01" + b"2\x86" * 60 + b"K\x02\x86ea\x85R.",
        b"\x80\x04\x8f(K\x01" + b"2\x86" * 60 + b"\x90.",
    ],
)
def test_programs_that_would_hang_or_fill_the_memory(tmp_path, program):
    path = tmp_path / "semantic.pkl"
    path.write_bytes(program)
    began = time.perf_counter()
    with pytest.raises(DataError, match=r"semantic\.pkl") as error:
        load_vectors(path)
    assert time.perf_counter() - began < 5
    assert len(str(error.value)) < 2000


def test_the_same_content_named_thousands_of_times_takes_no_memory(tmp_path, monkeypatch):
    """A list that many keys share, and text that is encoded again and again."""
    path, shared, count = tmp_path / "semantic.pkl", [0.5] * 20_000, 200
    text = b"X" + (50_000).to_bytes(4, "little") + b"x" * 50_000
    encoded = b"\x80\x02c_codecs\nencode\nq\x01" + text + b"q\x02X\x06\0\0\0latin1q\x03("
    encoded += b"h\x01h\x02h\x03\x86R" * count * 5 + b"l."
    array = np.zeros(20_000)
    arrays = pickle.dumps({str(number): array for number in range(3)}, 3)
    programs = [pickle.dumps(dict.fromkeys(map(str, range(count)), shared), 2), encoded]
    for program in programs:
        path.write_bytes(program)
        assert len(program) < 300_000
        monkeypatch.setattr("fashion_hash.data.parsing.restricted_pickle.SPARE", 0)
        with pytest.raises(
            DataError, match=r"semantic\.pkl: it holds the same content many times, 16 times its own size"
        ):
            load_vectors(path)
    monkeypatch.undo()
    path.write_bytes(programs[0])
    assert len(load_vectors(path)) == count, "16 MB are spared"
    path.write_bytes(arrays)
    assert len(load_vectors(path)) == 3
