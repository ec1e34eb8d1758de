#!/bin/sh
# Runs in the image build: installs locked packages into a virtual environment, compiled, without what no stage uses.
# usage: packages.sh VENV LOCKED...     LOCKED: names of the lock files beside this script
#
# What nothing uses is listed in unused.txt, what the image of one LOCKED does not use in unused-LOCKED.
# The host's package index settings and certificates are mounted for this one command, and nothing of them is kept.
set -eu
locked=$(dirname "$0")
venv=$1
shift

if [ -s /run/secrets/ca ]; then export SSL_CERT_FILE=/run/secrets/ca PIP_CERT=/run/secrets/ca; fi
# shellcheck source=/dev/null
if [ -s /run/secrets/index ]; then set -a && . /run/secrets/index && set +a; fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export HOME="$work" TMPDIR="$work" PIP_NO_CACHE_DIR=1 UV_NO_CACHE=1 UV_PYTHON_DOWNLOADS=never

site() { "$1/bin/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))'; }
compile() { python3 -m compileall -q -j 0 --invalidation-mode unchecked-hash "$@"; }

# The official Python images come without compiled modules, and a read-only root would keep every start that slow.
if [ ! -e "$(python3 -c 'import decimal, importlib.util; print(importlib.util.cache_from_source(decimal.__file__))')" ]; then
    compile -x '/(test|tests|idlelib|lib2to3|ensurepip|site-packages)/' \
        "$(python3 -c 'import sysconfig; print(sysconfig.get_path("stdlib"))')"
fi

python3 -m venv "$work/tools"
"$work/tools/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$locked/bootstrap.txt"
install() { # PYTHON LOCKED...
    python=$1
    shift
    for file in "$@"; do
        "$work/tools/bin/uv" pip install --quiet --python "$python" --require-hashes --no-build-isolation -r "$locked/$file"
    done
}
install "$work/tools/bin/python" build.txt

[ -d "$venv" ] || python3 -m venv --without-pip "$venv"
touch "$work/before"
# Packages that come as source find what builds them beside the environment, not in it.
PYTHONPATH=$(site "$work/tools") install "$venv/bin/python" "$@"

cd "$(site "$venv")"
for list in unused.txt "$@"; do
    [ "$list" = unused.txt ] || list=unused-$list
    [ -e "$locked/$list" ] || continue
    grep -v '^#' "$locked/$list" | while read -r pattern; do
        # shellcheck disable=SC2086  # patterns are to be expanded
        rm -rf $pattern
    done
done
# Only what is new here, so that no layer repeats another. Some packages ship files for other versions of Python: no error.
find . -name '*.py' -cnewer "$work/before" | compile -q -i - || :
