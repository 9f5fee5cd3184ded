"""Numbers for Prometheus: what they count, who may read them, and when the site is ready."""

from __future__ import annotations

from pathlib import Path

import pytest
from fastapi import FastAPI
from prometheus_client.parser import text_string_to_metric_families
from starlette.testclient import TestClient

from tests.support.api import Caller, add_account, token_of
from tests.support.site import BASE, Browser, make_site, site_of


def numbers(app: FastAPI) -> dict[tuple[str, ...], float]:
    answer = TestClient(app, BASE, client=("127.0.0.1", 5000)).get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = text_string_to_metric_families(answer.text)
    return {(one.name, *one.labels.values()): one.value for family in families for one in family.samples}


def test_they_count_requests_pictures_batches_and_failures(tmp_path: Path) -> None:
    app = make_site(tmp_path, queue=2, rates={"api-upload": "2/minute"})
    program = Caller(app, "counted@example.org")
    program.call("POST", "/label", files=[("pictures", ("a.png", b"none", "image/png"))])
    for key in ("a" * 22, "b" * 22):
        program.get(f"/history/{key}")
    assert program.label("red", "green", "blue").status_code == 503
    assert program.label("red").status_code == 429
    program.client.get("/nothing/at/all")
    program.call("BREW", "/models")
    found = numbers(app)
    assert found["clip_emotion_requests_total", "GET", "/api/v1/history/{key}", "404"] == 2
    assert found["clip_emotion_requests_total", "POST", "/api/v1/label", "503"] == 1
    assert found["clip_emotion_requests_total", "GET", "(none)", "404"] == 1
    assert found["clip_emotion_requests_total", "(none)", "/api/v1/models", "405"] == 1
    assert found["clip_emotion_request_seconds_count", "/api/v1/label"] == 3
    assert found["clip_emotion_failures_total", "busy"] == found["clip_emotion_failures_total", "too_often"] == 1
    assert found["clip_emotion_pictures_total", "unreadable"] == 1
    assert found["clip_emotion_queue_pictures",] == 0
    assert found["clip_emotion_batch_regions_count",] == 0


def test_pictures_are_counted_by_batch(app: FastAPI) -> None:
    Caller(app, "batches@example.org").label("red", "green", "blue")
    found = numbers(app)
    assert found["clip_emotion_pictures_total", "labelled"] == 3
    assert found["clip_emotion_batch_regions_sum",] == 3
    assert found["clip_emotion_batch_regions_bucket", "+Inf"] == found["clip_emotion_batch_regions_count",] >= 1


@pytest.mark.parametrize("header", ["x-forwarded-for", "forwarded", "x-real-ip"])
def test_what_a_proxy_passes_on_is_not_of_this_machine(app: FastAPI, header: str) -> None:
    local = TestClient(app, BASE, client=("127.0.0.1", 5000))
    assert local.get("/metrics").status_code == 200
    assert local.get("/metrics", headers={header: "203.0.113.7"}).status_code == 401


def test_from_elsewhere_an_admins_token_is_needed(app: FastAPI, person: Browser) -> None:
    admin = add_account(app, "metrics-admin@example.org", admin=True)
    program = Caller(app, "metrics-user@example.org")
    sent = {token_of(app, admin): 200, token_of(app, admin, "label"): 401, program.token: 401, "ce_wrong": 401}
    for token, status in sent.items():
        assert person.get("/metrics", headers={"authorization": f"Bearer {token}"}).status_code == status
    assert person.get("/metrics").status_code == 401


def test_wrong_tokens_are_counted_wherever_they_are_sent(tmp_path: Path) -> None:
    app = make_site(tmp_path, rates={"api-wrong-address": "2/minute"})
    client, wrong = TestClient(app, BASE), {"authorization": "Bearer ce_wrong"}
    answers = [client.get(path, headers=wrong).status_code for path in ("/metrics", "/api/v1/models", "/metrics")]
    assert answers == [401, 401, 429]
    assert client.get("/api/v1/models", headers=wrong).status_code == 429
    local = TestClient(app, BASE, client=("127.0.0.1", 5000))
    assert local.get("/metrics", headers=wrong).status_code == 200


def test_without_a_model_the_site_is_not_ready(tmp_path: Path) -> None:
    app = make_site(tmp_path)
    client = TestClient(app, BASE)
    assert client.get("/readyz").json()["ready"] is True
    site_of(app).labelling.close()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["model"], answer.json()["database"]) == (503, False, True)
