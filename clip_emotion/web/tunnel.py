"""A tunnel from outside to this machine, through ngrok."""

from __future__ import annotations

import os

from clip_emotion.errors import MissingExtraError, UsageError

TOKEN_VARIABLE = "NGROK_AUTHTOKEN"


def open_tunnel(port: int) -> str:
    """Open a tunnel to a port of this machine and return its public address; it closes with the process.

    Raises MissingExtraError without pyngrok, UsageError without a token or where ngrok refuses.
    """
    try:
        from pyngrok import conf, ngrok
        from pyngrok.exception import PyngrokError
    except ImportError as error:
        raise MissingExtraError("--tunnel", "pyngrok", "tunnel") from error
    token = os.environ.get(TOKEN_VARIABLE)
    if not token:
        raise UsageError(f"--tunnel needs a token of ngrok's in {TOKEN_VARIABLE}: get one at dashboard.ngrok.com.")
    try:
        config = conf.PyngrokConfig(auth_token=token)
        tunnel = ngrok.connect(str(port), "http", pyngrok_config=config, schemes=["https"])
    except PyngrokError as error:
        raise UsageError(f"ngrok opens no tunnel ({' '.join(str(error).split())[:200]}): see its dashboard.") from error
    return str(tunnel.public_url)
