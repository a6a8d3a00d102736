"""The paths that are guarded."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

# What a route or a regular expression may contain, and the query: as a path it would match no request, and guard nothing.
_PATTERN = re.compile(r"[*{}<>?#^$()\[\]|]|/:")


class Paths:
    """The paths that are guarded: those of include without those of exclude.

    An entry is a path, or a path with "/*" at its end for everything below it. A path
    that routers read in different ways ("//", "..", another case) is always guarded.
    """

    def __init__(self, include: Iterable[str] | None, exclude: Iterable[str]) -> None:
        self._include = None if include is None else _checked("include", include, lenient=True)
        if self._include is not None and not self._include:
            raise ValueError("neonauthd: include is an empty list, which guards nothing: leave it out to guard all paths")
        self._exclude = _checked("exclude", exclude, lenient=False)

    def guard(self, *paths: str, root: str = "") -> bool:
        """Whether a request is guarded that the application may read as a request for any of the paths.

        root: the path at which the application is mounted. Include takes a path with
        and without it: the author of either meant to guard something. Exclude takes
        only what the application reads.
        """
        if not all(map(_plain, paths)):
            return True
        if self._include is not None and not any(self._included(path) for path in _with_mounts(root, paths)):
            return False
        return not all(_matches(self._exclude, path) for path in paths)

    def _included(self, path: str) -> bool:
        return self._include is None or not _plain(path) or _matches(self._include, _folded(path))


def _with_mounts(root: str, paths: tuple[str, ...]) -> Iterator[str]:
    """Yields the paths as they are, and as each application sees them in which the next one is mounted."""
    yield from paths
    root = root.strip("/")
    if root:
        parts = root.split("/")
        for path in paths:
            yield from (f"/{'/'.join(parts[n:])}{path}" for n in range(len(parts)))


def _checked(what: str, entries: Iterable[str], *, lenient: bool) -> frozenset[str]:
    if isinstance(entries, str) or not isinstance(entries, Iterable):
        raise TypeError(f'neonauthd: {what} is a list of paths, such as ["/health"]')
    checked = set()
    for entry in entries:
        base = entry.removesuffix("/*") if isinstance(entry, str) else ""
        if not base.startswith("/") and entry != "/*" or not _plain(base or "/") or _PATTERN.search(base):
            raise ValueError(f'neonauthd: {ascii(entry)} of {what} is not a path such as "/health" or "/static/*"')
        if not lenient:
            checked.add(entry)
            continue
        checked.add(_folded(base))  # "/a/*" includes "/a"
        if entry != base:
            checked.add(_folded(base).removesuffix("/") + "/*")
    return frozenset(checked)


def _plain(path: str) -> bool:
    """Whether every router reads the path in the same way."""
    if not path.startswith("/") or "\\" in path or "%" in path or not path.isprintable():
        return False
    return path == "/" or all(part not in ("", ".", "..") for part in path[1:].removesuffix("/").split("/"))


def _folded(path: str) -> str:
    """Returns the path without what some routers ignore: case, and a slash at the end."""
    return path.casefold().removesuffix("/") or "/"


def _matches(entries: frozenset[str], path: str) -> bool:
    parts = path.split("/")
    return path in entries or any("/".join(parts[:n]) + "/*" in entries for n in range(1, len(parts)))
