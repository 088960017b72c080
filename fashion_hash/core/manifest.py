"""The manifest of a folder that is handed on: what it is, its checksums, its fingerprint; which folder is current."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from fashion_hash.core.files import read_bytes, sha256, sweep, sync_file, sync_folder, write_json
from fashion_hash.errors import BundleError, FashionHashError, shown, unreadable

# of a bundle with generations (fashion_hash.bundle.generations), and the manifest of each
CURRENT, GENERATIONS, MANIFEST = "current", "generations", "manifest.json"
EDIT = "edit"  # names the temporary folders of `replace_files`

MOST_BYTES = 1 << 26  # of a JSON file of a bundle
MOST_BITS = 1 << 16  # of a code
MOST_DIGITS = 18  # of the number of a generation


def seal(folder: Path, manifest: dict[str, Any]) -> None:
    """Writes manifest.json: the manifest, with size and checksum of every file and a fingerprint over all of it."""
    files = {
        file.relative_to(folder).as_posix(): {"bytes": file.stat().st_size, "sha256": sha256(file)}
        for file in sorted(folder.rglob("*"))
        if file.is_file()
    }
    sealed = json.loads(json.dumps({**manifest, "files": files}))  # as it will be read: keys become strings
    fingerprint = hashlib.sha256(json.dumps(sealed, sort_keys=True).encode()).hexdigest()[:16]
    write_json(folder / MANIFEST, {**sealed, "fingerprint": fingerprint})


def read_manifest(folder: Path, what: str, version: int, *, verify: bool) -> dict[str, Any]:
    """Reads and checks a manifest written by `seal`.

    Args:
        folder: the sealed folder.
        what: its "format", such as "fashion_hash bundle".
        version: the format version that this program reads.
        verify: also compare the checksum of every file (sizes are always compared).

    Raises:
        BundleError: there is no manifest, its format or version is another one, or a file is missing or was changed.
    """
    while True:
        text = _read_text(folder, what)
        try:
            return _checked(folder, text, what, version, verify)
        except BundleError:
            if _read_text(folder, what) == text:
                raise
            # otherwise files were replaced (`replace_files`) between the manifest and the check: look again


def _read_text(folder: Path, what: str) -> str:
    path = folder / MANIFEST
    try:
        return _text(path)
    except (FileNotFoundError, NotADirectoryError):
        if (folder / GENERATIONS).is_dir():
            raise BundleError(
                f"{folder} holds no finished generation: `fashion-hash build-index` was interrupted; run it again"
            ) from None
        raise BundleError(f"{folder} is not a {what}: it has no manifest.json") from None
    except OSError as error:
        raise unreadable(path, error, f"{path} cannot be read ({error})") from None
    except ValueError as error:
        raise BundleError(f"{path} is not readable JSON ({error}): export it again") from None


def _checked(folder: Path, text: str, what: str, version: int, verify: bool) -> dict[str, Any]:
    path = folder / MANIFEST
    try:
        manifest = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{path} is not readable JSON ({error}): export it again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != what:
        raise BundleError(f"{path} does not describe a {what}")
    if manifest.get("format_version") != version:
        raise BundleError(
            f"{path} has format version {manifest.get('format_version')}, this program reads version "
            f"{version}: export it again with `fashion-hash build-index`"
        )
    fingerprint, resealed = manifest.get("fingerprint"), manifest.pop("seal", None)
    if resealed is None:
        manifest.pop("fingerprint", None)
    if _digest(manifest) != (fingerprint if resealed is None else resealed):
        raise BundleError(f"{path} was changed after it was written: export it again")
    check_fields(path, manifest, {"files": dict, **({} if what.endswith(("bundle", "data set")) else {"bundle": str})})
    _check_files(folder, what, manifest["files"], verify)
    return {**manifest, "fingerprint": fingerprint}


def _digest(manifest: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16]


def _check_files(folder: Path, what: str, files: dict[str, Any], verify: bool) -> None:
    for name, facts in files.items():
        inside = not name.startswith("/") and ".." not in name.split("/") and "\0" not in name
        if not inside or not isinstance(facts, dict):
            raise BundleError(f"{folder / MANIFEST} names the file {shown(name)}, which it cannot: export it again")
        check_fields(folder / MANIFEST, facts, {"bytes": int, "sha256": str})
        file = folder / name
        allowed = [facts, *_others(folder, facts)] if "or" in facts else [facts]
        if not file.is_file():
            raise BundleError(f"{file} is missing: export the {what} again")
        size = file.stat().st_size
        if all(size != each["bytes"] for each in allowed):
            raise BundleError(f"{file} has {size} bytes instead of {facts['bytes']}: export it again")
        if verify and _checksum(file) not in [each["sha256"] for each in allowed]:
            raise BundleError(f"{file} does not match its checksum, its bytes were changed: export it again")


def _others(folder: Path, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """What else a file may be while `replace_files` is at work."""
    check_fields(folder / MANIFEST, {"or": [], **facts}, {"or": (list, dict)})
    others: list[dict[str, Any]] = facts.get("or", [])
    for other in others:
        check_fields(folder / MANIFEST, other, {"bytes": int, "sha256": str})
    return others


class Within(NamedTuple):
    """A field that is a number from `low` to `high`, both included.

    Attributes:
        low, high: the bounds.
        whole: whether it must be a whole number.
    """

    low: float
    high: float
    whole: bool = True

    def __str__(self) -> str:
        """As messages say it."""
        return f"a {'whole ' * self.whole}number from {self.low:g} to {self.high:g}"


def check_fields(
    path: Path, values: object, types: Mapping[str, Any], error: type[FashionHashError] = BundleError
) -> None:
    """Checks that values read from a JSON file are there, of their types and within bounds. Others may be beside them.

    Args:
        path: the file, for the message.
        values: what it holds.
        types: by name what the value must be: a type, `Within`, a frozenset of the texts that it may be, or
            (list, one of these) for a list of such values.
        error: what to raise.

    Raises:
        FashionHashError: a value is missing, or is not what it must be.
    """
    if not isinstance(values, dict):
        raise error(f"{path} holds {shown(values)}, expected fields such as {min(types)!r}: export it again")
    for name, expected in types.items():
        value = values.get(name)
        several = isinstance(expected, tuple) and not isinstance(expected, Within)
        each = expected[1] if several else expected
        entries = value if several and isinstance(value, list) else [value]
        if (several and not isinstance(value, list)) or not all(_fits(entry, each) for entry in entries):
            raise error(f"{path}: {name} is {shown(value)}, expected {_stated(each, several)}: export it again")


def _fits(value: object, expected: Any) -> bool:
    if isinstance(expected, Within):
        is_number = isinstance(value, int if expected.whole else int | float) and not isinstance(value, bool)
        return is_number and expected.low <= value <= expected.high  # type: ignore[operator]
    if isinstance(expected, frozenset):
        return isinstance(value, str) and value in expected
    return isinstance(value, expected) and (expected is bool or not isinstance(value, bool))


def _stated(expected: Any, several: bool) -> str:
    if isinstance(expected, frozenset):
        said = " or ".join(map(repr, sorted(expected)))
    else:
        said = str(expected) if isinstance(expected, Within) else expected.__name__
    return f"a list, each {said}" if several else said


def _text(path: Path) -> str:
    """The text of a JSON file. Raises OSError, or ValueError for one that is too large or not UTF-8."""
    data = read_bytes(path, MOST_BYTES + 1)
    if len(data) > MOST_BYTES:
        raise ValueError(f"it has more than {MOST_BYTES:,} bytes")
    return data.decode("utf-8")


def _checksum(file: Path) -> str:
    try:
        return sha256(file)
    except OSError as error:
        raise unreadable(file, error, f"{file} cannot be read ({error}): export it again") from None


def replace_files(folder: Path, edits: Mapping[str, Callable[[Path], None]]) -> bool:
    """Changes files of a sealed folder, whose fingerprint stays: other folders refer to it.

    While files are replaced, one by one, the manifest allows both the old and the new bytes of each. So a process that
    is killed leaves a folder that can be opened, and the same edits complete it. Who has the old files open keeps them.

    Args:
        folder: the sealed folder; nobody else may be changing it.
        edits: by name, a function that changes a copy of the file; done again it must change nothing.

    Returns:
        Whether a file was changed.
    """
    sweep(folder, EDIT, MANIFEST)
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    manifest.pop("seal", None)
    with tempfile.TemporaryDirectory(prefix=f".{EDIT}.", suffix=".partial", dir=folder) as scratch:
        facts: dict[str, dict[str, Any]] = {}
        for name, edit in edits.items():
            copy = Path(scratch) / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(folder / name, copy)
            edit(copy)
            sync_file(copy)
            facts[name] = {"bytes": copy.stat().st_size, "sha256": sha256(copy)}
        changed = [name for name in edits if facts[name] != manifest["files"][name]]
        if not changed:
            return False
        before = manifest["files"]
        both = {name: {**before[name], "or": [*before[name].get("or", ()), facts[name]]} for name in changed}
        _reseal(folder, {**manifest, "files": {**before, **both}})
        for name in changed:
            os.replace(Path(scratch) / name, folder / name)
            sync_folder((folder / name).parent)
        _reseal(folder, {**manifest, "files": {**before, **{name: facts[name] for name in changed}}})
    return True


def _reseal(folder: Path, manifest: dict[str, Any]) -> None:
    write_json(folder / MANIFEST, {**manifest, "seal": _digest(manifest)})


def read_json(path: Path) -> Any:
    """The value of a JSON file of a bundle.

    Raises:
        FileNotFoundError: no such file.
        BundleError: it cannot be read, is too large, or is not JSON.
    """
    try:
        return json.loads(_text(path))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise unreadable(path, error, f"{path} is not readable ({error}): export the bundle again") from None


def read_part(path: Path, what: str, version: int, absent: str) -> dict[str, Any]:
    """Reads the description of a part of a bundle: JSON that names its format and version.

    Args:
        path: the file.
        what: its "format".
        version: the format version that this program reads.
        absent: the message for a missing file: what that means and what to do.

    Raises:
        BundleError: no such file, unreadable, or of another format or version.
    """
    try:
        about = read_json(path)
    except FileNotFoundError:
        raise BundleError(absent) from None
    version_found = (about.get("format"), about.get("format_version")) if isinstance(about, dict) else None
    if version_found != (what, version):
        raise BundleError(f"{path} is not {what!r} of version {version}: export the bundle again")
    return dict(about)


def current_folder(path: Path) -> Path:
    """The folder of the generation that is current: the bundle folder itself where it has no generations.

    Raises:
        BundleError: `current` is not readable, or does not hold a number.
    """
    file = path / CURRENT
    try:
        name = read_bytes(file, 100).decode("ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, ValueError) as error:
        advice = f"write the number of a folder in {path / GENERATIONS} into it"
        if isinstance(error, ValueError) and "\0" in str(path):
            advice = "name a folder without NUL characters"
        raise unreadable(file, error, f"{file} cannot be read ({error}): {advice}") from None
    if not name.isdigit() or len(name) > MOST_DIGITS:
        raise BundleError(
            f"{file} must hold the number of a generation, got {shown(name)}: write the number of a folder in "
            f"{path / GENERATIONS} into it"
        )
    return path / GENERATIONS / name
