#!/usr/bin/env bash
# Makes the packages of the clients for Node and Python: a tarball for npm, and a wheel and a source distribution for pip.
# Usage: clients.sh DEST. The files have the same bytes wherever they are made: one tool uses SOURCE_DATE_EPOCH, the other no
# time at all.
set -euo pipefail
mkdir -p "$1"
dest=$(realpath "$1")
cd "$(dirname "$0")/.."

# Debian's package of hatchling works only with Debian's Python.
for python in python3 /usr/bin/python3; do
	if "$python" -c 'import hatchling' 2>/dev/null; then break; fi
	python=''
done
[ -n "$python" ] || { echo "clients.sh: hatchling builds the client for Python: install python3-hatchling" >&2; exit 1; }
command -v npm >/dev/null || { echo "clients.sh: npm packs the client for Node: install it" >&2; exit 1; }

# A copy, without the files that development leaves behind.
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
for client in node python; do
	mkdir "$work/$client"
	tar -c -C "client/$client" --exclude=node_modules --exclude=__pycache__ --exclude=dist . | tar -x -C "$work/$client"
	find "$work/$client" -type f -exec chmod 0644 {} +
done

rm -f "$dest"/neonauthd-*.tgz "$dest"/neonauthd-*.whl "$dest"/neonauthd-*.tar.gz
npm pack --silent --offline --pack-destination "$dest" "$work/node" >/dev/null
(cd "$work/python" && PYTHONDONTWRITEBYTECODE=1 "$python" -m hatchling build -d "$dest" >/dev/null)
chmod 0644 "$dest"/neonauthd-*
