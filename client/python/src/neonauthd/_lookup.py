"""The options of a guard's lookups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ._question import DEFAULT_CONNS, DEFAULT_NAME, DEFAULT_TIMEOUT, Options

_NUMBERS = ("deadline", "heard", "max_age")
_OF_VERIFY = ("project", "deadline", "heard", "on_behalf_of")
_OF_PROFILE = (*_OF_VERIFY, "max_age", "fallback")


def check_lookup(given: object, *, profile: bool) -> dict[str, Any]:
    """Returns the options of a guard's lookups. Raises what verify or profile would raise, and TypeError for None."""
    if not isinstance(given, Mapping):
        raise TypeError('neonauthd: lookup is not a dict of options of verify or profile, such as {"project": "shop"}')
    for name, value in given.items():
        if name not in _OF_PROFILE:
            raise TypeError(f"neonauthd: lookup has no option {name!r}{nearest(str(name), _OF_PROFILE)}")
        if not profile and name not in _OF_VERIFY:
            raise TypeError(f"neonauthd: lookup has no option {name!r} without profile=True")
        if value is None:
            raise TypeError(f"neonauthd: {name} of lookup is None: leave it out if it is not wanted")
        if name in _NUMBERS and (isinstance(value, bool) or not isinstance(value, (int, float))):
            raise TypeError(f"neonauthd: {name} of lookup is not a number of seconds")
        if name == "project" and not isinstance(value, str):
            raise TypeError("neonauthd: project of lookup is not a string")
    check_options(given)
    return dict(given)


def check_options(given: Mapping[str, Any]) -> None:
    """Raises what verify or profile would raise for these options."""
    options = Options(None, "", DEFAULT_TIMEOUT, DEFAULT_CONNS, 0, DEFAULT_NAME)
    asked: dict[str, Any] = {"project": None, **given}
    options.span(asked.pop("deadline", None))
    options.question("", "", **asked)


def nearest(given: str, names: Iterable[str]) -> str:
    """Returns words to add to an error about a misspelt option: the option that differs
    only in case, in underscores or in an s at the end. Empty: there is none.
    """

    def plain(name: str) -> str:
        return name.lower().replace("_", "").removesuffix("s")

    near = next((name for name in names if plain(name) == plain(given)), None)
    return "" if near is None else f": did you mean {near!r}?"
