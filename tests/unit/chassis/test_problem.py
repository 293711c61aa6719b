"""Every error is a problem document with a stable code, in both languages."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from fastapi import FastAPI, HTTPException
from pydantic import BaseModel

from chassis.problem import Problem
from chassis.service import http_app
from chassis.store import StoreUnavailable


class Person(BaseModel):
    phone: int
    age: int


@asynccontextmanager
async def nothing(_: FastAPI) -> AsyncIterator[None]:
    yield


@pytest.fixture
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async def here() -> bool:
        return True

    async def broken() -> bool:
        raise OSError("no route")

    app = http_app("tests", nothing, lambda: {"here": here, "broken": broken})

    @app.post("/people")
    async def meet(person: Person) -> Person:
        return person

    @app.get("/errors/{kind}")
    async def fail(kind: str) -> None:
        raise {
            "internal": ZeroDivisionError("secret 13800138000"),
            "store": StoreUnavailable("mongodb://shop:hunter2@db"),
            "known": Problem(
                409, "already-shipped", "包裹已发出。", "The parcel has left.", order_id="o1", retry_after=7
            ),
            "plain": HTTPException(401, "who are you", headers={"WWW-Authenticate": "Bearer"}),
        }[kind]

    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://tests") as client:
        yield client


def check_document(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    document: dict[str, Any] = answer.json()
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"
    assert (document["status"], document["code"], document["type"]) == (status, code, f"urn:tuidan:problem:{code}")
    assert document["title"] == document["detail"]["en"]
    assert any("\u4e00" <= sign <= "\u9fff" for sign in document["detail"]["zh"])
    return document


async def test_what_is_not_valid_is_listed_field_by_field(http: httpx.AsyncClient) -> None:
    answer = await http.post("/people", json={"phone": "13800138000x"})
    document = check_document(answer, 422, "invalid-request")
    assert [error["field"] for error in document["errors"]] == ["body.phone", "body.age"]
    assert "13800138000x" not in answer.text, "what was sent is not repeated"


async def test_what_is_no_json_is_not_valid(http: httpx.AsyncClient) -> None:
    answer = await http.post("/people", content=b'{"phone": ', headers={"content-type": "application/json"})
    check_document(answer, 422, "invalid-request")


async def test_an_unknown_address_and_a_wrong_method_are_told_apart(http: httpx.AsyncClient) -> None:
    check_document(await http.get("/no/such/thing"), 404, "not-found")
    answer = await http.put("/people")
    check_document(answer, 405, "method-not-allowed")
    assert answer.headers["allow"] == "POST"


async def test_other_http_errors_keep_their_headers_and_say_what_they_are(http: httpx.AsyncClient) -> None:
    answer = await http.get("/errors/plain")
    document = check_document(answer, 401, "http-error")
    assert answer.headers["www-authenticate"] == "Bearer"
    assert "who are you" in document["detail"]["en"]
    assert "地址" not in document["detail"]["zh"], "the address was right"


async def test_an_internal_error_says_nothing_of_the_inside(http: httpx.AsyncClient) -> None:
    answer = await http.get("/errors/internal")
    check_document(answer, 500, "internal-error")
    assert "13800138000" not in answer.text
    assert "ZeroDivision" not in answer.text


async def test_a_store_that_is_away_says_when_to_come_back(http: httpx.AsyncClient) -> None:
    answer = await http.get("/errors/store")
    check_document(answer, 503, "not-ready")
    assert answer.headers["retry-after"] == "2"
    assert "hunter2" not in answer.text


async def test_a_known_problem_carries_what_it_knows(http: httpx.AsyncClient) -> None:
    answer = await http.get("/errors/known")
    document = check_document(answer, 409, "already-shipped")
    assert (document["order_id"], answer.headers["retry-after"]) == ("o1", "7")


async def test_a_check_that_raises_is_not_ready(http: httpx.AsyncClient) -> None:
    answer = await http.get("/ready")
    assert (answer.status_code, answer.json()["checks"]) == (503, {"here": True, "broken": False})
    assert 'tuidan_ready{service="tests"} 0.0' in (await http.get("/metrics")).text
