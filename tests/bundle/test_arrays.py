"""Every array of a bundle is of a declared dtype and shape, or the file is refused when it is opened."""

import json
import shutil
from collections.abc import Callable
from fnmatch import fnmatch
from pathlib import Path

import numpy as np
import pytest

from fashion_hash.bundle import bundle as opened
from fashion_hash.bundle.bundle import Bundle
from fashion_hash.core import arrays as core_arrays
from fashion_hash.core.arrays import ARRAYS, open_array
from fashion_hash.errors import BundleError
from fashion_hash.index import partners, pool
from fashion_hash.index.engines.sums.files import open_scan
from fashion_hash.index.partners import open_partners
from fashion_hash.index.pool import Pool
from fashion_hash.retrieval.recommender import Recommender

GOLDEN = Path(__file__).resolve().parents[1] / "golden/v1"
CASES = ("fhn", "encoder", "requests")
NOT_OURS = "*/components.npy", "*/letters.npy", "*/words.npy"  # of text encoders, which check them


def arrays(bundle: Path) -> list[str]:
    files = (path.relative_to(bundle).as_posix() for path in sorted(bundle.rglob("*.npy")))
    return [file for file in files if not any(fnmatch(file, pattern) for pattern in NOT_OURS)]


FILES = [(case, file) for case in CASES for file in arrays(GOLDEN / case / "bundle")]


def open_all(path: Path) -> None:
    bundle = Bundle.open(path, verify=False)
    index = Pool.open(bundle, verify=False)
    if (index.path / "scan").exists():
        open_scan(index.path, bundle.num_bits, len(index))
    if (path / "partners").exists():
        open_partners(bundle)
    assert bundle.requests is None or bundle.requests.num_bits


@pytest.fixture
def _any_checksum(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever changes a file can write a manifest that fits: neither sizes nor checksums are compared."""

    def manifest(folder: Path, what: str, version: int, *, verify: bool) -> dict:
        return dict(json.loads((folder / "manifest.json").read_text()))

    for module in (opened, partners, pool):
        monkeypatch.setattr(module, "read_manifest", manifest)


@pytest.mark.parametrize(("case", "file"), FILES)
def test_every_array_is_declared(case: str, file: str) -> None:
    name = file.replace("index/ids.", "ids/index.")
    assert any(fnmatch(name, pattern.split(" ")[0]) for pattern in ARRAYS)


BREAKS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "an axis more": lambda array: array[None],
    "flat or upright": lambda array: array.reshape(-1) if array.ndim > 1 else array[:, None],
    "a row less": lambda array: array[:-1],
    "a row more": lambda array: np.concatenate([array, array[:1]]),
    "a column more": lambda array: np.concatenate([array, array[..., :1]], axis=-1),
    "other numbers": lambda array: np.zeros(array.shape, dtype=np.complex64),
    "nothing": lambda array: np.zeros(0, dtype=np.int8),
    "another order": lambda array: np.asfortranarray(np.concatenate([array[None], array[None]])),
}


def declared(file: str) -> str:
    """The pattern in ARRAYS that declares a file."""
    name = file.replace("index/ids.", "ids/index.")
    return next(pattern for pattern in ARRAYS if fnmatch(name, pattern.split(" ")[0]))


FIRST = {(case, declared(file)): file for case, file in reversed(FILES)}  # the files of a pattern are read alike


@pytest.mark.usefixtures("_any_checksum")
@pytest.mark.parametrize(
    ("case", "file"),
    [
        pytest.param(case, file, marks=() if FIRST[case, declared(file)] == file else pytest.mark.slow)
        for case, file in FILES
    ],
)
def test_an_array_of_another_shape_or_dtype_is_refused(case: str, file: str, tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / case / "bundle", tmp_path / "bundle")
    open_all(path)
    original = np.load(path / file)
    for name, change in BREAKS.items():
        if name == "a row less" and file.endswith(".order.npy"):
            continue  # it would read as a removed id
        np.save(path / file, change(original))
        with pytest.raises(BundleError) as raised:
            open_all(path)
        assert len(str(raised.value)) < 1000, name


@pytest.mark.usefixtures("_any_checksum")
def test_the_message_names_file_and_shapes(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "fhn/bundle", tmp_path / "bundle")
    np.save(path / "codes/bias.top.npy", np.zeros((1, 12), dtype=np.int32))
    expected = r"codes/bias\.top\.npy holds int32 of shape \(1, 12\), expected int32 of shape \(N = 12\)"
    with pytest.raises(BundleError, match=expected):
        Recommender.load(path, verify=False)
    np.save(path / "codes/bias.top.npy", np.zeros(12, dtype=np.int32))
    codes = np.load(path / "codes/items.top.npy")
    np.save(path / "codes/items.top.npy", np.asfortranarray(codes))
    with pytest.raises(BundleError, match=r"items\.top\.npy holds uint8 of shape .* in Fortran order, expected"):
        Recommender.load(path, verify=False)


def change_a_byte(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[-1] ^= 1
    file.write_bytes(bytes(data))


@pytest.mark.parametrize("file", ["0.1.rows.npy", "2.0.values.npy"])
def test_partner_lists_are_verified_when_they_are_opened(tmp_path: Path, file: str) -> None:
    path = shutil.copytree(GOLDEN / "fhn/bundle", tmp_path / "bundle")
    change_a_byte(path / "partners" / file)
    with pytest.raises(BundleError, match=f"{file} does not match its checksum"):
        Recommender.load(path).compose(None, 1)
    if "values" in file:  # without checksums, rows are still compared with the number of items
        assert Recommender.load(path, verify=False).compose(None, 1).hits
    else:
        with pytest.raises(BundleError, match=f"{file} holds rows 0 to"):
            Recommender.load(path, verify=False).compose(None, 1)


def test_a_generation_is_verified_whenever_it_is_opened(tmp_path: Path) -> None:
    path = shutil.copytree(GOLDEN / "fhn/bundle", tmp_path / "bundle")
    reader, trusting = Recommender.load(path), Recommender.load(path, verify=False)
    writer = Recommender.load(path)
    items = writer.outfit(str(writer.recommend(None, 1).ids[0]))
    writer.add_outfits({"added": items})
    assert writer.compact()
    change_a_byte(path / "live/generation-1/index/bias.npy")
    with pytest.raises(BundleError, match=r"bias\.npy does not match its checksum"):
        reader.recommend(None, 1)
    assert len(trusting) == len(writer)


HEADERS = (b"{'descr': (", b"{'a': \n  1\n 2", b"[1]", b"{'descr': '<f4', 'shape': 1", b"\xff(" * 9, b"")


@pytest.mark.parametrize("header", HEADERS)
def test_a_damaged_header_is_named(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "users.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + bytes(64))
    with pytest.raises(BundleError, match=r"users\.npy is not a readable array"):
        open_array(path, "codes/users.npy")


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12, dtype=np.int32).reshape(3, 4),
        np.array([b"a", b"bcd"]),
        np.zeros((0, 3), dtype=np.float32),
        np.array(2.5),
        np.array([True, False]),
        np.ones((2, 1, 3), dtype=np.float16),
        np.arange(6, dtype=">i4"),
        np.asfortranarray(np.arange(6).reshape(2, 3)),
    ],
)
def test_small_files_are_read_as_numpy_reads_them(tmp_path: Path, array: np.ndarray) -> None:
    path = tmp_path / "a.npy"
    np.save(path, array)
    for extra in (b"", b"more"):
        with path.open("ab") as stream:
            stream.write(extra)
        loaded, expected = core_arrays._load(path), np.load(path, mmap_mode="r")
        assert (loaded.dtype, loaded.shape, loaded.flags.f_contiguous) == (
            expected.dtype,
            expected.shape,
            expected.flags.f_contiguous,
        )
        np.testing.assert_array_equal(loaded, expected)
        assert not loaded.flags.writeable
        assert loaded.flags.aligned


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<i4', 'fortran_order': False, 'shape': (3), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (1 2,), }",
        "{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }",
        "{'descr': '|O8', 'fortran_order': False, 'shape': (3,), }",
        "{'descr': '<q9', 'fortran_order': False, 'shape': (3,), }",
    ],
)
def test_small_files_that_numpy_refuses_are_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "a.npy"
    text = header.ljust(117).encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(12))
    with pytest.raises(core_arrays.NOT_AN_ARRAY):
        core_arrays._load(path)
