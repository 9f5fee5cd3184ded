"""E-mail addresses, as far as they are names of accounts."""

from __future__ import annotations

import re

PATTERN = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")
LONGEST = 254


def folded(email: str) -> str:
    """Return an e-mail address as it is compared."""
    return email.strip().casefold()


def is_email(email: str) -> bool:
    """Tell whether a text may be an e-mail address."""
    return len(email) <= LONGEST and PATTERN.fullmatch(email) is not None and email.isprintable()
