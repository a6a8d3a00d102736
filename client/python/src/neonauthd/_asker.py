"""What guards ask: a client, or what a test puts in its place."""

from __future__ import annotations

from typing import Literal, Protocol

from ._answer import Answer


class Asker(Protocol):
    """Asks about tokens: a Client, or what a test puts in its place (neonauthd.testing)."""

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
    """The same for asyncio: an AsyncClient, or what a test puts in its place."""

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
