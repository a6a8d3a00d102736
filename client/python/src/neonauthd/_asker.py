"""The interface of lookups."""

from __future__ import annotations

from typing import Literal, Protocol

from ._answer import Answer


class Asker(Protocol):
    """The interface of lookups: a Client, or in a test a FakeClient (neonauthd.testing)."""

    def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As Client.verify."""

    def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As Client.profile."""


class AsyncAsker(Protocol):
    """The interface of lookups for asyncio: an AsyncClient, or in a test a FakeAsyncClient."""

    async def verify(
        self,
        token: str,
        *,
        project: str | None = None,
        deadline: float | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As AsyncClient.verify."""

    async def profile(
        self,
        token: str,
        *,
        project: str | None = None,
        max_age: float | None = None,
        deadline: float | None = None,
        fallback: Literal["claims"] | None = None,
        heard: float | None = None,
        on_behalf_of: str = "",
    ) -> Answer:
        """As AsyncClient.profile."""
