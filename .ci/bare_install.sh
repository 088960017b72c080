#!/usr/bin/env bash
# Builds the sdist and from it the wheel, installs the wheel alone into a bare environment without torch, and there
# answers from bundles, searches by words, adds an item and a user (bare_answers.py), and serves with the extra `serve`
# (bare_serves.py). Prints what an install weighs.
#   .ci/bare_install.sh [PYTHON]   a Python with the package build; default .venv/bin/python
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
python=$(realpath -s "${1:-.venv/bin/python}")
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

"$python" -m build --outdir "$scratch/dist" . >"$scratch/build.log" 2>&1 || { tail -30 "$scratch/build.log"; exit 1; }
ls "$scratch/dist"
"$python" -m venv "$scratch/venv"
bare=$scratch/venv/bin
"$bare/python" -m pip install --quiet --disable-pip-version-check --constraint constraints.txt "$scratch"/dist/*.whl

cd "$scratch" # the clone is not on the path from here on
unset PYTHONPATH
package=$("$bare/python" -c 'import fashion_hash; print(*fashion_hash.__path__)')
case $package in "$scratch"/*) ;; *) echo "imported from $package, not from the wheel"; exit 1 ;; esac
ls "$package/py.typed" "$package/configs/demo.yaml"
"$bare/python" "$root/.ci/bare_answers.py" "$root/tests/golden/v1" "$scratch/answers"
"$bare/fashion-hash" --version
if "$bare/fashion-hash" demo "$scratch/demo" 2>"$scratch/error"; then echo "the demo should need [train]"; exit 1; fi
grep --fixed-strings "pip install 'fashion_hash[train]'" "$scratch/error"

weight() { du -sm "$("$1" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')" | cut -f1; }
echo "installed: $(weight "$bare/python") MB without torch, $(weight "$python") MB with [train] and what tests need"

cp -r "$root/tests/golden/v1/fhn/bundle" "$scratch/served"
"$bare/python" -m pip install --quiet --disable-pip-version-check --constraint "$root/constraints.txt" "$(ls "$scratch"/dist/*.whl)[serve]"
"$bare/python" "$root/.ci/bare_serves.py" "$scratch/served" u1
