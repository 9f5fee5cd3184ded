"""What schemathesis makes of the API's description: requests that fit it and such that do not, in this process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from fastapi import FastAPI
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import load_all_checks
from schemathesis.core.parameters import ParameterLocation
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from clip_emotion.web.settings import RATES
from tests.support.api import PREFIX, Caller
from tests.support.site import make_site, site_of

load_all_checks()
UNFIT = [positive_data_acceptance]
"""A body may fit its description and still hold no chat, as may a cursor that the API never gave."""
OPERATIONS = 9
MULTIPART = "multipart/form-data"
"""In such a body everything is text, so that a value of another type cannot be told from one that fits."""


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Caller]:
    app = make_site(tmp_path, rates=dict.fromkeys(RATES, "1000000/minute"))
    program = Caller(app, "schemathesis@example.org")
    program.label("red", "blue", save=True)
    yield program
    site_of(app).labelling.close()
    site_of(app).database.close()


def check(program: Caller, examples: int, *, derandomize: bool) -> None:
    """Send so many requests to each address, half of them such as the description forbids."""
    app = program.client.app
    assert isinstance(app, FastAPI)
    schema = schemathesis.openapi.from_asgi(f"{PREFIX}/openapi.json", app)
    operations = [found.ok() for found in schema.get_all_operations()]
    assert len(operations) == OPERATIONS
    headers = {"Authorization": f"Bearer {program.token}"}
    for operation in operations:
        for mode in GenerationMode:

            @given(case=operation.as_strategy(generation_mode=mode))
            @settings(
                max_examples=examples, deadline=None, derandomize=derandomize, database=None,
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            def holds(case: schemathesis.Case) -> None:
                header = case.meta.components.get(ParameterLocation.HEADER) if case.meta else None
                # A header without a token is mended by the one that is sent below.
                mended = header is not None and header.mode.is_negative
                fits = case.media_type == MULTIPART or mended
                case.call_and_validate(
                    headers=headers, excluded_checks=[*UNFIT, negative_data_rejection] if fits else UNFIT
                )

            holds()


@pytest.mark.real_data
def test_no_answer_breaks_the_description(program: Caller) -> None:
    check(program, 3, derandomize=True)


@pytest.mark.real_data
def test_no_answer_breaks_the_description_for_long(program: Caller) -> None:
    check(program, 150, derandomize=False)
