"""Which paths a guard is for."""

from __future__ import annotations

from collections.abc import Iterable


class Paths:
    """Which paths a guard is for: those of include, less those of exclude.

    An entry is a path, or one with "/*" at its end for everything below it. What
    routers read in different ways ("//", "..", another case) counts as guarded.
    """

    def __init__(self, include: Iterable[str] | None, exclude: Iterable[str]) -> None:
        self._include = None if include is None else _checked("include", include, lenient=True)
        self._exclude = _checked("exclude", exclude, lenient=False)

    def guard(self, path: str) -> bool:
        """Whether a request for the path is judged."""
        if not _plain(path):
            return True
        if self._include is not None and not _matches(self._include, _folded(path)):
            return False
        return not _matches(self._exclude, path)


def _checked(what: str, entries: Iterable[str], *, lenient: bool) -> frozenset[str]:
    if isinstance(entries, str) or not isinstance(entries, Iterable):
        raise TypeError(f'neonauthd: {what} is a list of paths, such as ["/health"]')
    checked = set()
    for entry in entries:
        base = entry.removesuffix("/*")
        if not entry.startswith("/") or not _plain(base or "/") or "*" in base:
            raise ValueError(f'neonauthd: {ascii(entry)} of {what} is not a path such as "/health" or "/static/*"')
        if not lenient:
            checked.add(entry)
            continue
        checked.add(_folded(base))  # with everything below a path goes the path
        if entry != base:
            checked.add(_folded(base).removesuffix("/") + "/*")
    return frozenset(checked)


def _plain(path: str) -> bool:
    """Whether every router takes the path for the same."""
    if not path.startswith("/") or "\\" in path or "%" in path or not path.isprintable():
        return False
    return path == "/" or all(part not in ("", ".", "..") for part in path[1:].removesuffix("/").split("/"))


def _folded(path: str) -> str:
    """Without what some routers ignore: case, and a slash at the end."""
    return path.casefold().removesuffix("/") or "/"


def _matches(entries: frozenset[str], path: str) -> bool:
    parts = path.split("/")
    return path in entries or any("/".join(parts[:n]) + "/*" in entries for n in range(1, len(parts)))
