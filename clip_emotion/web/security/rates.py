"""Rates: how often one account or one address may do something, in this process."""

from __future__ import annotations

import ipaddress
import math
import time

from limits import RateLimitItem, parse
from limits.storage import MemoryStorage
from limits.strategies import SlidingWindowCounterRateLimiter
from starlette.requests import HTTPConnection

from clip_emotion.errors import ClipEmotionError
from clip_emotion.web.settings import RATES, Settings


def network_of(address: str) -> str:
    """Return what one customer of a provider has: the address itself, or an IPv6 address's network of 64 bits."""
    try:
        known = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(known, ipaddress.IPv4Address):
        return address
    if known.ipv4_mapped is not None:
        return str(known.ipv4_mapped)
    return str(ipaddress.ip_network((known, 64), strict=False))


def address_of(connection: HTTPConnection) -> str:
    """Return where a request came from, as far as a trusted proxy says so; of IPv6 the network."""
    return network_of(connection.client.host) if connection.client else "unknown"


class TooOften(ClipEmotionError):
    """Something was done more often than it may be; ``wait`` is the number of seconds until it may again."""

    def __init__(self, wait: int) -> None:
        super().__init__(f"Too many tries: wait {wait} seconds.")
        self.wait = wait


class Rates:
    """Counts deeds by kind and by whose they are, in windows that slide."""

    def __init__(self, settings: Settings) -> None:
        self._limits: dict[str, RateLimitItem] = {name: parse(rate) for name, rate in (RATES | settings.rates).items()}
        self._limiter = SlidingWindowCounterRateLimiter(MemoryStorage())

    def count(self, kind: str, whose: str) -> None:
        """Count a deed; raises TooOften where the limit of its kind is reached."""
        limit = self._limits[kind]
        if not self._limiter.hit(limit, kind, whose):
            reset = self._limiter.get_window_stats(limit, kind, whose).reset_time
            raise TooOften(max(1, math.ceil(reset - time.time())))

    def forget(self, kind: str, whose: str) -> None:
        """Forget what was counted, as after a log-in that succeeded."""
        self._limiter.clear(self._limits[kind], kind, whose)
