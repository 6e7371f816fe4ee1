#!/bin/sh
# Makes .venv (Python packages, Node) and Azurite. Does nothing when nothing changed since the last time.
# Needs Python 3.13 only; PYTHON=/path/to/python3.13 chooses one. Says in one line what is missing.
set -eu
cd "$(dirname "$0")/.."

fail() { printf 'setup: %s\n' "$*" >&2; exit 1; }

is_313() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 13))' >/dev/null 2>&1; }

find_python() {
    if [ -n "${PYTHON:-}" ]; then
        is_313 "$PYTHON" || fail "PYTHON=$PYTHON is not a Python 3.13, the version Azure runs this app with"
        echo "$PYTHON"; return
    fi
    for candidate in python3.13 python3 python; do
        if is_313 "$candidate"; then echo "$candidate"; return; fi
    done
    found=$(python3 --version 2>/dev/null || echo "no python3")
    fail "needs Python 3.13, found $found; install it, or name one with PYTHON=/path/to/python3.13"
}

wanted=$(cat scripts/setup.sh requirements-dev.txt sandbox/node/package-lock.json | cksum)
[ "$wanted" = "$(cat .venv/.ready 2>/dev/null || true)" ] && [ -d sandbox/node/node_modules ] && exit 0

log=build/setup.log
mkdir -p build
python=$(find_python) || exit 1

is_313 .venv/bin/python || { rm -rf .venv; "$python" -m venv .venv >"$log" 2>&1 \
    || fail "python -m venv failed (on Debian: apt install python3.13-venv); see $log"; }

echo "setup: installing Python packages into .venv (about half a minute, once)"
.venv/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt >"$log" 2>&1 \
    || fail "Python packages could not be installed; is the Python package index reachable? see $log"

echo "setup: installing Azurite and the card renderer (about half a minute, once)"
# NODE_USE_SYSTEM_CA: behind a company's proxy only the system knows the certificates.
(cd sandbox/node && PATH="$PWD/../../.venv/bin:$PATH" NODE_USE_SYSTEM_CA=1 \
    npm ci --omit=optional --loglevel=error) >"$log" 2>&1 \
    || fail "Azurite and the card renderer could not be installed; is the npm registry reachable? see $log"

printf '%s' "$wanted" > .venv/.ready
