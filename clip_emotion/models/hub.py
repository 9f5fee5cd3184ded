"""The Hugging Face Hub, asked once."""

from __future__ import annotations

TIMEOUT = 5.0


def knock() -> None:
    """Ask the Hub one plain question, as a download would retry an absent network for half a minute.

    Raises OSError where the Hub is out of reach, which ``HF_HUB_OFFLINE`` makes it too.
    """
    from huggingface_hub import constants
    from huggingface_hub.utils._http import get_session

    get_session().head(constants.ENDPOINT, timeout=TIMEOUT)
