"""Password hashes: argon2id (RFC 9106), in a thread, few at a time.

The default is the RFC's second recommended option (64 MiB, 3 passes). Each hash holds its memory
while it runs: two at a time is 128 MiB at most, and a flood of sign-ins waits in line.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.base.errors import ApplianceError

T = TypeVar("T")

AT_A_TIME = 2
MOST_WAITING = 64


class Passwords:
    """Hash and verify. ``hasher`` is smaller in tests."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher or PasswordHasher()
        self._turns = asyncio.Semaphore(AT_A_TIME)
        self._waiting = 0
        self._stranger: str | None = None  # made on first use: start-up has no time for it

    async def hash(self, password: str) -> str:
        return await self._in_turn(lambda: self.hash_now(password))

    def hash_now(self, password: str) -> str:
        """``hash`` for commands: blocks for some 50 ms."""
        return self._hasher.hash(password)

    async def verify(self, hashed: str | None, password: str) -> bool:
        """``hashed`` None (no such user) takes as long as a wrong password."""
        return await self._in_turn(lambda: self._verify(hashed, password))

    def outdated(self, hashed: str) -> bool:
        """True where the parameters have grown since."""
        return self._hasher.check_needs_rehash(hashed)

    def _verify(self, hashed: str | None, password: str) -> bool:
        if hashed is None:
            if self._stranger is None:
                self._stranger = self._hasher.hash("nobody has this password")
            self._matches(self._stranger, password)
            return False
        return self._matches(hashed, password)

    def _matches(self, hashed: str, password: str) -> bool:
        try:
            return self._hasher.verify(hashed, password)
        except (VerificationError, InvalidHashError):
            return False

    async def _in_turn(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise ApplianceError(
                "exhausted", "too many people are signing in at once", "try again in a minute"
            )
        self._waiting += 1
        try:
            async with self._turns:
                return await asyncio.to_thread(work)
        finally:
            self._waiting -= 1
