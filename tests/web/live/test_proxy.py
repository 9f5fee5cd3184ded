"""The site behind Debian's nginx with TLS, by the very configuration that docs/serving.md shows."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from clip_emotion.web.database import Database
from clip_emotion.web.database.tables import FailedLogin

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium

pytestmark = pytest.mark.real_data  # a server and a proxy
DOCS = Path(__file__).parents[3] / "docs" / "serving.md"
CLIENT = "127.0.0.2"
"""Where the client comes from, to be told from the proxy on 127.0.0.1."""


@dataclass(frozen=True)
class Behind:
    """What runs: the ports of nginx, for HTTP and for TLS, and the site's data folder."""

    plain: int
    secure: int
    data: Path

    def ask(self, method: str, path: str, body: str = "", **headers: str) -> http.client.HTTPResponse:
        context = ssl._create_unverified_context()
        connection = http.client.HTTPSConnection(
            "localhost", self.secure, context=context, source_address=(CLIENT, 0), timeout=60
        )
        connection.request(method, path, body, {name.replace("_", "-"): value for name, value in headers.items()})
        return connection.getresponse()


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def configured(folder: Path, plain: int, secure: int, site: int) -> Path:
    """Write nginx's configuration: what the documentation shows, with this test's ports and certificate."""
    (shown,) = re.findall(r"```nginx\n(.*?)```", DOCS.read_text("utf-8"), re.DOTALL)
    for old, new in (
        ("emotion.example.org$request_uri", f"localhost:{secure}$request_uri"),
        ("listen 80;", f"listen 127.0.0.1:{plain};"),
        ("listen 443 ssl http2;", f"listen 127.0.0.1:{secure} ssl http2;"),
        ("/etc/letsencrypt/live/emotion.example.org/", f"{folder}/"),
        ("127.0.0.1:8000", f"127.0.0.1:{site}"),
        ("emotion.example.org", "localhost"),
    ):
        assert old in shown, old
        shown = shown.replace(old, new)
    shown = re.sub(r"^ *listen \[::\].*\n", "", shown, flags=re.MULTILINE)
    paths = "".join(
        f"{one}_temp_path {folder}/{one};\n" for one in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    head = (
        f"user root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\naccess_log off;\n{paths}"
    )
    path = folder / "nginx.conf"
    path.write_text(f"{head}{shown}}}\n", "utf-8")
    return path


@pytest.fixture(scope="module")
def behind(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Behind]:
    from web_server import serving

    nginx = shutil.which("nginx", path="/usr/sbin:/usr/bin:/usr/local/bin")
    if nginx is None or shutil.which("openssl") is None:
        pytest.skip("there is no nginx or no openssl: apt-get install nginx openssl")
    folder = Path(tmp_path_factory.mktemp("proxy"))
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost",
         "-keyout", folder / "privkey.pem", "-out", folder / "fullchain.pem"], check=True, capture_output=True,
    )  # fmt: skip
    hosts = {"CLIP_EMOTION_WEB_HOSTS": '["localhost"]'}
    with serving(folder / "data", "--proxy-headers", environment=hosts, host="localhost") as site:
        made = Behind(free_port(), free_port(), folder / "data")
        config = configured(folder, made.plain, made.secure, site.port)
        with subprocess.Popen([nginx, "-c", config, "-p", folder, "-g", "daemon off;"]) as process:
            end = time.monotonic() + 20
            while time.monotonic() < end:
                with socket.socket() as tried:
                    if tried.connect_ex(("127.0.0.1", made.secure)) == 0:
                        break
                time.sleep(0.05)
            yield made
            process.terminate()


def test_plain_http_leads_to_tls(behind: Behind) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", behind.plain)
    connection.request("GET", "/login?next=/label")
    answer = connection.getresponse()
    assert answer.status == 301
    assert answer.headers["Location"] == f"https://localhost:{behind.secure}/login?next=/label"


def test_answers_demand_tls_and_cookies_are_bound_to_the_host(behind: Behind) -> None:
    answer = behind.ask("GET", "/")
    assert answer.status == 200
    assert answer.headers.get_all("Strict-Transport-Security") == ["max-age=63072000; includeSubDomains"]
    assert answer.headers.get_all("Content-Security-Policy") is not None
    (cookie,) = answer.headers.get_all("Set-Cookie") or ()
    assert cookie.startswith("__Host-visitor=")
    assert "; Secure" in cookie


def test_the_clients_address_is_the_real_one(behind: Behind) -> None:
    page = behind.ask("GET", "/login")
    (token,) = set(re.findall(r'name="csrf" value="([0-9a-f]+)"', page.read().decode()))
    cookie = page.headers["Set-Cookie"].split(";")[0]
    form = f"csrf={token}&email=nobody%40example.org&password=a+wrong+password"
    kind = "application/x-www-form-urlencoded"
    own = f"https://localhost:{behind.secure}"
    forged = behind.ask("POST", "/login", form, Cookie=cookie, Content_Type=kind, Origin="https://evil.example")
    assert forged.status == 403
    answer = behind.ask(
        "POST", "/login", form, Cookie=cookie, Content_Type=kind, Origin=own, X_Forwarded_For="203.0.113.9",
        X_Forwarded_Proto="http", Forwarded="for=203.0.113.9",
    )  # fmt: skip
    assert answer.status == 401
    database = Database(f"sqlite:///{behind.data / 'site.db'}")
    with database.reading() as db:
        assert set(db.scalars(select(FailedLogin.address))) == {CLIENT}
    database.close()


def test_another_host_is_not_answered(behind: Behind) -> None:
    assert behind.ask("GET", "/", Host="evil.example").status == 400


def test_only_tls_of_today_is_spoken(behind: Behind) -> None:
    old = ssl._create_unverified_context()
    old.minimum_version, old.maximum_version = ssl.TLSVersion.MINIMUM_SUPPORTED, ssl.TLSVersion.TLSv1_1
    with socket.create_connection(("127.0.0.1", behind.secure)) as plain, pytest.raises((ssl.SSLError, OSError)):
        old.wrap_socket(plain, server_hostname="localhost")


def test_a_browser_signs_up_through_it(behind: Behind, chromium: Chromium) -> None:
    address = f"https://localhost:{behind.secure}"
    context = chromium.new_context(ignore_https_errors=True, base_url=address, locale="en-GB")
    page = context.new_page()
    page.set_default_timeout(120_000)
    for path in ("/register", "/login"):
        page.goto(path)
        page.fill("#email", "tls@example.org")
        page.fill("#password", "a sentence of mine")
        with page.expect_navigation():
            page.locator("main button").click()
    assert page.url.endswith("/label")
    cookies = {cookie["name"]: cookie for cookie in context.cookies()}
    assert cookies["__Host-session"]["secure"]
    assert cookies["__Host-session"]["httpOnly"]
    context.close()
