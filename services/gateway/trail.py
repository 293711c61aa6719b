"""The audit trail: what the staff did, and tried to do, and how things stood before; and what they took along, whole
orders with all personal data. Written before anything is done, and completed with the outcome and how things stand
then; nothing is ever changed or deleted besides. While it cannot be written nothing is done."""

from __future__ import annotations

import json
import re
import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import structlog

from chassis.clock import Clock
from chassis.mongo import Collection
from chassis.projection import Update
from chassis.store import StoreUnavailable
from chassis.telemetry import masked

NAME = "audit"
BODY_MAX = 8_192
"""Characters of a body that are kept; of a longer one its beginning."""
IMAGE_MAX = 32_768
"""The same for an image: 200 orders take about 30,000."""
TEXT_MAX = 512
"""Characters of a path's part or a query's value that are kept."""

_WORD = re.compile(r"[a-z-]{1,64}")
"""A code that is a word is a reason's, which is worth reading; one with digits may open something."""
_SECRET = frozenset({"password", "new_password", "code", "token", "refresh_token", "secret", "bank_account"})
_PERSONAL = re.compile(r"phone|openid|name|address", re.IGNORECASE)
_WHOLE = frozenset({"lines"})
"""A line of text in such a field is a whole exported order, with everything about its customer: not even masked."""
_NUMBER = re.compile(r"(?<![0-9A-Za-z])(\+?[0-9]{3})(?:[ -]?[0-9]){4,13}((?:[ -]?[0-9]){3}[ -]?[0-9Xx])(?![0-9A-Za-z])")
"""A phone, a bank card (up to 19 digits) or an identity card (18, the last may be X), however it is grouped."""
_HIDDEN = "***"

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Deed:
    """What somebody wants to do. `staff` is the name they signed in with, or tried to; `subjects`: the ids in the path,
    and the orders it is about; `body`: see `readable`; `before`: how things stand, see `shown_in_trail`."""

    staff: str
    role: str
    method: str
    route: str
    path: str
    query: str
    subjects: Sequence[str]
    address: str
    request_id: str
    body: str = field(default="", repr=False)
    before: str = field(default="", repr=False)


class Trail:
    """Writes and reads the trail."""

    def __init__(self, collection: Collection, clock: Clock) -> None:
        self._entries = collection
        self._clock = clock

    async def prepare(self) -> None:
        """Make the indexes of the lists."""
        for name in ("staff", "subjects"):
            await self._entries.ensure_index([(name, 1), ("_id", 1)])

    async def intend(self, deed: Deed, status: int | None = None, problem: str = "") -> str:
        """Write down a deed before it is done (`status` None), or one that was refused; its id. Raises
        StoreUnavailable: then it must not be done."""
        at = self._clock()
        id = f"{int(at.timestamp() * 1000):012x}-{secrets.token_hex(6)}"
        document = {
            "_id": id,
            "at": at,
            "staff": deed.staff,
            "role": deed.role,
            "method": deed.method,
            "route": deed.route,
            "path": deed.path[:TEXT_MAX],
            "query": deed.query[:TEXT_MAX],
            "subjects": [one[:TEXT_MAX] for one in deed.subjects],
            "body": deed.body,
            "before": deed.before,
            "after": "",
            "address": deed.address,
            "request_id": deed.request_id,
            "status": status,
            "problem": problem,
            "done_at": None if status is None else at,
        }
        await self._entries.insert_new([document])
        return id

    async def done(self, id: str, status: int, problem: str = "", after: str = "") -> None:
        """Note the answer's status, and how things stand `after` it, once. It was done already: when this cannot be
        written the entry stays without an outcome, and the log says so."""
        outcome = {"status": status, "problem": problem, "after": after, "done_at": self._clock()}
        try:
            await self._entries.update_all([Update({"_id": id, "status": None}, {"$set": outcome})])
        except StoreUnavailable:
            log.error("the audit trail has no outcome of a deed", entry=id, status=status)

    async def page(self, *, staff: str | None, subject: str | None, after: str, limit: int) -> dict[str, Any]:
        """Entries, the newest first: `{"entries", "next"}`; `after` is the `next` of the page before. `outcome`: done,
        refused, or unknown, where nobody can say any more whether it was done."""
        wanted: dict[str, Any] = {name: value for name, value in (("staff", staff), ("subjects", subject)) if value}
        if after:
            wanted["_id"] = {"$lt": after}
        found = await self._entries.find(wanted, sort=[("_id", -1)], limit=limit)
        entries = [_as_read(entry) for entry in found]
        return {"entries": entries, "next": entries[-1]["id"] if len(entries) == limit else None}


def _as_read(entry: Mapping[str, Any]) -> dict[str, Any]:
    """An entry with its images opened and its outcome in a word."""
    status = entry["status"]
    outcome = "unknown" if status is None or status >= 500 else "refused" if status >= 400 else "done"
    images = {name: _image_read(entry.get(name, "")) for name in ("before", "after")}
    plain = {name: value for name, value in entry.items() if name != "_id"}
    return {"id": entry["_id"], **plain, "outcome": outcome, **images}


def _image_read(text: str) -> Any:
    """An image as it was; None where there is none. Of one that was cut only the text is left."""
    try:
        return json.loads(text) if text else None
    except ValueError:
        return text


def shown_in_trail(image: Any) -> str:
    """An image as it is kept: JSON, personal data masked as in a body; nothing for None."""
    if image is None:
        return ""
    text = json.dumps(_without_persons("", image), ensure_ascii=False, default=str)
    return text if len(text) <= IMAGE_MAX else text[:IMAGE_MAX] + "…"


def readable(content: bytes) -> str:
    """A body as it is kept: JSON with secrets left out and personal data masked. What is no JSON is only counted."""
    if not content:
        return ""
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        return f"({len(content)} bytes that are no JSON)"
    try:
        text = json.dumps(_without_persons("", found), ensure_ascii=False)
    except RecursionError:
        return f"({len(content)} bytes, nested too deep)"
    text = text.encode(errors="replace").decode()  # half a surrogate pair cannot be stored
    return text if len(text) <= BODY_MAX else text[:BODY_MAX] + "…"


def _without_persons(name: str, value: Any) -> Any:
    """`name`: the field that `value` stands in, however deep."""
    if name.lower() in _SECRET and isinstance(value, str | int | float):
        return value if name == "code" and isinstance(value, str) and _WORD.fullmatch(value) else _HIDDEN
    if isinstance(value, Mapping):
        return {str(key): _without_persons(str(key), inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_without_persons(name, inner) for inner in value]
    if name in _WHOLE and isinstance(value, str):
        return f"({len(value)} characters)"
    if _PERSONAL.search(name) and isinstance(value, str | int):
        return masked(str(value))
    return _NUMBER.sub(r"\1****\2", value) if isinstance(value, str) else value
