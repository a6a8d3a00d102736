#!/usr/bin/env bash
# Releases the last commit twice, in two folders of different names and depths, each with an empty build cache, and fails
# if any byte differs.
set -euo pipefail
cd "$(dirname "$0")/.."

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
commit=$(git rev-parse HEAD) # asked once: somebody may commit meanwhile
COMMIT=$(git rev-parse --short=12 "$commit")
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct "$commit")
TOOLS=${TOOLS:-$PWD/.tools}
export COMMIT SOURCE_DATE_EPOCH TOOLS

for place in one another/place; do
	mkdir -p "$work/$place"
	git archive "$commit" | tar -x -C "$work/$place"
	GOCACHE="$work/cache" make -C "$work/$place" --no-print-directory release >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
	rm -rf "$work/cache"
done

cat "$work/one/dist/SHA256SUMS"
diff "$work/one/dist/SHA256SUMS" "$work/another/place/dist/SHA256SUMS"
echo "reproducible: both builds are the same, byte by byte"
