"""The manifest of a folder that is handed on: what it is, its checksums, its fingerprint; which folder is current."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from fashion_hash.core.files import sha256, write_json
from fashion_hash.errors import BundleError, unreadable

# of a bundle with generations (fashion_hash.bundle.generations), and the manifest of each
CURRENT, GENERATIONS, MANIFEST = "current", "generations", "manifest.json"


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
    path = folder / MANIFEST
    try:
        manifest = json.loads(path.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        raise BundleError(f"{folder} is not a {what}: it has no manifest.json") from None
    except OSError as error:
        raise unreadable(path, error, f"{path} cannot be read ({error})") from None
    except (ValueError, UnicodeDecodeError) as error:
        raise BundleError(f"{path} is not readable JSON ({error}): export it again") from None
    if not isinstance(manifest, dict) or manifest.get("format") != what:
        raise BundleError(f"{path} does not describe a {what}")
    if manifest.get("format_version") != version:
        raise BundleError(
            f"{path} has format version {manifest.get('format_version')}, this program reads version "
            f"{version}: export it again with `fashion-hash build-index`"
        )
    fingerprint = manifest.pop("fingerprint", None)
    if hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()[:16] != fingerprint:
        raise BundleError(f"{path} was changed after it was written: export it again")
    _check_files(folder, what, manifest["files"], verify)
    return {**manifest, "fingerprint": fingerprint}


def _check_files(folder: Path, what: str, files: dict[str, Any], verify: bool) -> None:
    for name, facts in files.items():
        file = folder / name
        if not file.is_file():
            raise BundleError(f"{file} is missing: export the {what} again")
        if file.stat().st_size != facts["bytes"]:
            raise BundleError(f"{file} has {file.stat().st_size} bytes instead of {facts['bytes']}: export it again")
        if verify and _checksum(file) != facts["sha256"]:
            raise BundleError(f"{file} does not match its checksum, its bytes were changed: export it again")


def _checksum(file: Path) -> str:
    try:
        return sha256(file)
    except OSError as error:
        raise unreadable(file, error, f"{file} cannot be read ({error}): export it again") from None


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
        about = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise BundleError(absent) from None
    except (OSError, ValueError) as error:
        raise unreadable(path, error, f"{path} is not readable ({error}): export the bundle again") from None
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
        name = file.read_text(encoding="ascii").strip()
    except (FileNotFoundError, NotADirectoryError):
        return path
    except (OSError, ValueError) as error:
        raise unreadable(file, error, f"{file} cannot be read ({error})") from None
    if not name.isdigit():
        raise BundleError(
            f"{file} must hold the number of a generation, got {name[:80]!r}: write the number of a folder in "
            f"{path / GENERATIONS} into it"
        )
    return path / GENERATIONS / name
