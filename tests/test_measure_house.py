"""The script that measures the layout counts what it says, on a package made for the purpose."""

from pathlib import Path

import pytest

from tests import measure_house
from tests.paths import PROJECT

FILES = {
    "__init__.py": "",
    "errors.py": "class Wrong(Exception): ...\n",
    "core/__init__.py": "",
    "core/codes.py": "from fashion_hash.errors import Wrong\n",
    "live/store.py": "import fashion_hash.core.codes\nfrom fashion_hash.live.log import read\n",
    "live/log.py": "def read(self, a, b):\n    from fashion_hash.live import store\n    return store\n",
    "training/loop.py": "def fit(a, *, b=1):\n    from fashion_hash.live.log import read\n\n    return read\n",
}


@pytest.fixture
def clone(tmp_path):
    for name, text in FILES.items():
        path = tmp_path / "fashion_hash" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return tmp_path


def test_a_small_package_is_measured(clone):
    measured = measure_house.measure(clone)
    assert measured["things directly in the package (files + folders)"] == "2 + 3"
    assert measured["arrows between them"] == "3"  # core -> errors, live -> core, training -> live
    assert measured["floors of the import graph"] == "4"
    assert measured["circles of files"] == "1 (2 files)"  # store and log, by an import inside a function
    assert measured["the learning half imports the answering half"] == "once"
    assert measured["longest function, lines"] == "4 (training.loop.fit)"
    assert measured["most parameters of a function, self apart"] == "2 (live.log.read)"
    assert measured["most files in one room"] == "2 (live)"


def test_the_table_of_the_documents_names_every_figure(clone):
    text = (PROJECT / "docs/architecture.md").read_text()
    for figure in measure_house.measure(clone):
        assert f"| {figure} |" in text, figure


def test_a_folder_without_the_package_is_refused(tmp_path):
    with pytest.raises(SystemExit, match="does not hold"):
        measure_house.measure(Path(tmp_path))
