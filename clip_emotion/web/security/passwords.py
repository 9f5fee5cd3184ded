"""Passwords: Argon2id, long instead of contrived, and none of the commonest."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache

from pwdlib import PasswordHash
from pwdlib.exceptions import PwdlibError
from pwdlib.hashers.argon2 import Argon2Hasher
from zxcvbn.frequency_lists import FREQUENCY_LISTS

from clip_emotion.web.busy import Busy

SHORTEST, LONGEST = 12, 256
SHORT, LONG, COMMON, PERSONAL = (
    "account.password_short",
    "account.password_long",
    "account.password_common",
    ("account.password_personal"),
)
"""The texts that say what is wrong with a password."""


class Passwords:
    """Hashes passwords and compares them, a few at a time: each takes 64 MB and a tenth of a second.

    Both raise Busy where ``waiting`` wait already, so that a flood of log-ins takes no other page along.
    """

    def __init__(self, hasher: Argon2Hasher | None = None, at_once: int = 2, waiting: int = 32) -> None:
        self._hash = PasswordHash((hasher or Argon2Hasher(),))
        self._turns = threading.Semaphore(at_once)
        self._room = threading.Semaphore(at_once + waiting)
        self._nobody = self._hash.hash("the password of nobody at all")

    def hash(self, password: str) -> str:
        """Return the Argon2id hash of a password."""
        with self._turn():
            return self._hash.hash(password)

    def fits(self, password: str, kept: str | None) -> bool:
        """Tell whether a password is the one of a hash; without a hash the answer is no, and takes as long."""
        if len(password) > LONGEST:
            password = ""
        with self._turn():
            try:
                return self._hash.verify(password, kept or self._nobody) and kept is not None
            except PwdlibError:
                return False

    @contextmanager
    def _turn(self) -> Iterator[None]:
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            with self._turns:
                yield
        finally:
            self._room.release()


def fault_of(password: str, email: str = "") -> str | None:
    """Return the key of the text that says what is wrong with a new password, or None where nothing is.

    There are no rules of composition: 12 letters and more of any kind, not among the commonest passwords, also not
    twice one of them or one of them with digits behind, and not made of the e-mail address.
    """
    if len(password) < SHORTEST:
        return SHORT
    if len(password) > LONGEST:
        return LONG
    folded = password.casefold()
    common = _common()
    half = folded[: len(folded) // 2]
    bare = folded.strip("0123456789!?.#*_-@$ ")
    doubled = half * 2 == folded and half in common
    if folded in common or bare in common or not bare or doubled or len(set(folded)) < 4:
        return COMMON
    name, _, host = email.casefold().partition("@")
    if email and (folded in (email.casefold(), host) or (len(name) > 3 and bare == name)):
        return PERSONAL
    return None


@cache
def _common() -> frozenset[str]:
    return frozenset(FREQUENCY_LISTS["passwords"])
