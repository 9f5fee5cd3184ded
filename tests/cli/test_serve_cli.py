"""``serve`` before it serves: what is missing, what is taken, and the first admin."""

from __future__ import annotations

import socket
import stat
import sys
from pathlib import Path

import pytest
from sqlalchemy import select

from clip_emotion import outputs
from clip_emotion.cli.main import main
from clip_emotion.cli.serve import PASSWORD_VARIABLE
from clip_emotion.web import Settings
from clip_emotion.web.database import Database
from clip_emotion.web.database.tables import User
from clip_emotion.web.settings import RATES


def told(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    return main(["serve", *arguments]), capsys.readouterr().err


def test_without_its_extra_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in [name for name in sys.modules if name.startswith("clip_emotion.web")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "fastapi", None)
    code, said = told([], capsys)
    assert (code, said) == (
        1,
        "Error: serve needs fastapi, which is not installed: run pip install 'clip-emotion[web]'.\n",
    )


def test_a_port_or_a_folder_that_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = ["--data", str(tmp_path / "data")]
    with socket.create_server(("127.0.0.1", 0)) as taken:
        code, said = told([*data, "--port", str(taken.getsockname()[1])], capsys)
    assert code == 2
    assert "choose another --port" in said
    assert stat.S_IMODE((tmp_path / "data").stat().st_mode) == 0o700
    with outputs.held(tmp_path / "data" / "site"):
        assert told([*data, "--port", "0"], capsys)[0] == 2


def test_the_first_admin_is_made_on_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--data", str(tmp_path), "--create-admin", "Admin@Example.org"]
    monkeypatch.setenv(PASSWORD_VARIABLE, "short")
    assert told(asked, capsys) == (2, "Error: A password needs twelve letters or more.\n")
    monkeypatch.setenv(PASSWORD_VARIABLE, "a sentence of mine")
    assert told(asked, capsys) == (0, "Admin@Example.org is an admin now.\n")
    monkeypatch.delenv(PASSWORD_VARIABLE)
    assert told(asked, capsys)[0] == 0
    assert told([*asked[:3], "no address"], capsys)[0] == 2
    database = Database(Settings(data=tmp_path).database_url)
    with database.reading() as db:
        assert [(user.email, user.role) for user in db.scalars(select(User))] == [("admin@example.org", "admin")]
    database.close()


def test_a_setting_that_is_wrong_is_named(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("CLIP_EMOTION_WEB_QUEUE", "0")
    code, said = told([], capsys)
    assert code == 2
    assert said.startswith("Error: CLIP_EMOTION_WEB_QUEUE is not right:")


@pytest.mark.parametrize("rates", ['{"login": "5/hour"}', '{"login-address": "often"}'])
def test_rates_that_are_none_are_told(
    rates: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CLIP_EMOTION_WEB_RATES", rates)
    code, said = told([], capsys)
    assert code == 2
    assert said.startswith("Error: CLIP_EMOTION_WEB_RATES is not right:")


def test_one_rate_is_changed_and_the_others_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLIP_EMOTION_WEB_RATES", '{"login-address": "5/hour"}')
    monkeypatch.setenv("CLIP_EMOTION_WEB_BODIES", '{"/label": 1000}')
    settings = Settings()
    assert settings.rates == {**RATES, "login-address": "5/hour"}
    assert (settings.body_limit("/label"), settings.body_limit("/score")) == (1000, 64 * 2**20)


def test_a_tunnel_needs_its_token(monkeypatch: pytest.MonkeyPatch) -> None:
    from clip_emotion.errors import MissingExtraError, UsageError
    from clip_emotion.web.tunnel import open_tunnel

    monkeypatch.setitem(sys.modules, "pyngrok", None)
    with pytest.raises(MissingExtraError, match=r"clip-emotion\[tunnel\]"):
        open_tunnel(8000)
    monkeypatch.undo()
    pytest.importorskip("pyngrok")
    monkeypatch.delenv("NGROK_AUTHTOKEN", raising=False)
    with pytest.raises(UsageError, match="NGROK_AUTHTOKEN"):
        open_tunnel(8000)
