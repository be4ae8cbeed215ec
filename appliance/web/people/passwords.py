"""Password hashes: argon2id (RFC 9106), in a thread, few at a time.

The default is the RFC's second recommended option (64 MiB, 3 passes). Each hash holds its memory
while it runs: two at a time is 128 MiB at most, and a flood of sign-ins waits in line.
"""

import asyncio
from collections.abc import Callable
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from appliance.base.errors import ApplianceError, invalid

T = TypeVar("T")

# What is tried first, without the digits and signs that people put around it (lists of leaked passwords are
# headed by these; shorter ones never pass), with the letters that 0, 1, 3, 4, 5, 7, @ and $ stand for.
_COMMON = frozenset({
    "abc", "abcd", "abcdef", "abcdefgh", "abcdefghij", "admiadmin", "admin", "adminadmin",
    "administrator", "appliance", "aries", "asdfgh", "asdfghjkl", "autumn", "azerty", "azertyuiop",
    "baseball", "basketball", "batman", "camera", "cameras", "changeme", "computer", "contrasena",
    "correcthorsebatterystaple", "default", "dragon", "football", "guest", "hallo", "hello",
    "helloworld", "iloveyou", "internet", "iqaz", "iqazzwsx", "jennifer", "letmein", "loveyou",
    "master", "michael", "monkey", "motdepasse", "operator", "parola", "password", "passwordpassword",
    "passwords", "passwort", "pokemon", "princess", "qazwsx", "qazwsxedc", "qwerty", "qwertyui",
    "qwertyuiop", "qwertz", "qwertzuiop", "root", "samsung", "secret", "security", "shadow", "spring",
    "starwars", "summer", "sunshine", "superman", "surveillance", "test", "testing", "testtest",
    "trustnoi", "user", "video", "welcome", "welcomeback", "welcomehome", "whatever", "winter",
    "yxcvbnm", "zxcvbnm",
})  # fmt: skip
_LETTERS = str.maketrans("013457@$", "oieastas")

SHORTEST = 10
LONGEST = 200
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


def check_strength(password: str, username: str, field: str) -> None:
    """Long enough, not the name itself (NIST SP 800-63B: length counts, composition rules do not).

    Raises ``invalid``.
    """
    if not SHORTEST <= len(password) <= LONGEST:
        raise invalid(
            "the password is too short" if len(password) < SHORTEST else "the password is too long",
            f"use {SHORTEST} to {LONGEST} characters; a sentence is easier to remember than symbols",
            field=field,
        )
    if password.casefold() == username.casefold() or len(set(password)) < 4 or _is_common(password):
        raise invalid("this password is too easy to guess", "use a sentence of your own", field=field)


def _is_common(password: str) -> bool:
    """A word of ``_COMMON`` with digits and signs around it or for letters of it, or a row of keys."""
    text = password.casefold()
    plain = "".join(char for char in text if char.isalnum())
    rows = ("01234567890123456789", "98765432109876543210", "1q2w3e4r5t6z7u8i9o0p", "1q2w3e4r5t6y7u8i9o0p")
    if any(plain in row for row in rows):
        return True
    kept = "".join(char for char in text.strip("0123456789!?.,-_#*+ ").translate(_LETTERS) if char.isalpha())
    bare = "".join(char for char in text.translate(_LETTERS) if char.isalpha())
    return kept in _COMMON or bare in _COMMON or (not kept and len(set(plain)) < 6)
