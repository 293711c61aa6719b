"""The gateway's door for staff, as an operator's command comes to it: where it is, who is signed in, one question."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NoReturn

import httpx

from tools.stack.control import Stack, StackError
from tools.stack.home import current_home

ANSWER_SECONDS = 120.0
PHONE = "13800000000"
"""Where the sandbox sends the codes of who is signed in there: see its `/_ledger/messages`."""

Json = dict[str, Any]
_TOKEN = re.compile(r"[\x21-\x7e]+")


class NotSignedIn(Exception):
    """There is nobody to speak with, or no token; the text says what to type."""


class Refused(Exception):
    """The gateway said no; its words, in both languages. `retry_after`: seconds, where it says when to come again."""

    def __init__(self, code: str, words: str, retry_after: float = 0) -> None:
        super().__init__(words)
        self.code = code
        self.retry_after = retry_after


@asynccontextmanager
async def signed_in(gateway: str, token_file: Path | None) -> AsyncIterator[httpx.AsyncClient]:
    """A client for the gateway, by default that of the stack that is up, signed in at its sandbox. Raises
    NotSignedIn."""
    try:
        address = checked_address(gateway) if gateway else ""
        token = token_in(token_file) if token_file else ""
        if not address or not token:
            stack = Stack(current_home().root)
            address = address or f"http://{stack.address('gateway')}"
            token = token or await _token_of(f"http://{stack.address('sandbox')}")
    except StackError as problem:
        raise NotSignedIn(f"{problem}. Start it with: tuidan up, or name --gateway and --token-file") from problem
    except httpx.HTTPError as problem:
        raise NotSignedIn(f"无法登录 · cannot sign in: {problem}") from problem
    headers = {"Authorization": f"Bearer {token}"}
    async with httpx.AsyncClient(base_url=address, headers=headers, timeout=ANSWER_SECONDS, trust_env=False) as http:
        yield http


async def asked(
    http: httpx.AsyncClient,
    method: str,
    path: str,
    body: Json | None = None,
    *,
    params: Mapping[str, str | int] | None = None,
    key: str = "",
) -> Json:
    """The answer to one question about `/admin/v1…`; `key`: the Idempotency-Key. Raises Refused, or
    httpx.TransportError when nobody answers."""
    headers = {"Idempotency-Key": key} if key else {}
    answer = await http.request(method, f"/admin/v1{path}", json=body, params=params, headers=headers)
    document = said_by(answer)
    if answer.is_success:
        return document
    detail = document.get("detail")
    words = f"{detail.get('zh')} · {detail.get('en')}" if isinstance(detail, dict) else answer.text[:200]
    about = f" ({document['about']})" if document.get("about") else ""
    said = f"{answer.status_code} {document.get('code', '')}: {words}{about}"
    after = document.get("retry_after")
    raise Refused(str(document.get("code", "")), said, after if isinstance(after, int | float) else 0)


def said_by(answer: httpx.Response) -> Json:
    """The JSON object that a server has answered. Raises Refused where it is none, and later, when something is looked
    for in it that is not there: then the address is that of another server."""
    words = f"{answer.status_code}: {answer.text[:200]}"
    try:
        document = answer.json()
    except ValueError as problem:
        raise Refused("", words) from problem
    if not isinstance(document, dict):
        raise Refused("", words)
    return _Said(document, words)


class _Said(Json):
    def __init__(self, document: Json, words: str) -> None:
        super().__init__(document)
        self._words = words

    def __missing__(self, name: str) -> NoReturn:
        raise Refused("", f"回答不像退单系统 · this is no answer of Tuidan, it has no “{name}”: {self._words}")


def checked_address(typed: str) -> str:
    """An address of a server of ours, as somebody has typed it. Raises NotSignedIn when it is none."""
    try:
        url = httpx.URL(typed)
        good = url.scheme in ("http", "https") and bool(url.host)
    except httpx.InvalidURL:
        good = False
    if not good:
        raise NotSignedIn(f"不是地址 · no address like http://127.0.0.1:8080: {typed}")
    return typed


def token_in(file: Path) -> str:
    """The token that somebody has put into a file. Raises NotSignedIn; what is in the file is not shown."""
    try:
        token = file.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as problem:
        raise NotSignedIn(f"无法登录 · cannot sign in: {file}: {_why(problem)}") from problem
    if not _TOKEN.fullmatch(token):
        raise NotSignedIn(
            f"无法登录 · cannot sign in: {file} 为空或不是令牌 · is empty, or holds something else than a token"
        )
    return token


def _why(problem: OSError | UnicodeDecodeError) -> str:
    return str(problem.strerror) if isinstance(problem, OSError) else "不是文本 · it is no text"


async def _token_of(sandbox: str) -> str:
    async with httpx.AsyncClient(base_url=sandbox, timeout=ANSWER_SECONDS, trust_env=False) as http:
        body = {"staff_id": "tuidan", "name": "tuidan", "role": "administrator", "phone": PHONE}
        answer = (await http.post("/_login/staff", json=body)).raise_for_status()
        return str(answer.json()["token"])
