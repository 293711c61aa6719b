"""The door: who may do what, what is written down of it, and who is let in. Written down here a second time, and
judged by what was answered, by the topics and by the trail; the guards are not asked."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from datetime import datetime

from tests.simulation.evidence import Attempt, Row, Violation
from tests.simulation.judge.reading import Reading

ADMINISTRATOR = frozenset({"administrator"})
SELLS = ADMINISTRATOR | {"supervisor"}
MONEY = SELLS | {"finance"}
CANCELS = SELLS | {"customer-service"}
SHIPS = SELLS | {"warehouse"}
ALL = MONEY | CANCELS | SHIPS

MAY = tuple(
    (re.compile(rf"(?:{methods}) /admin/v1/(?:{paths})\Z"), roles)
    for methods, paths, roles in (
        ("GET|POST", r"orders/[^/]+/(?:deletion|export)|exports(?:/.+)?|restorations", ADMINISTRATOR),
        ("GET|PUT|POST", r"staff(?:/.+)?|audit", ADMINISTRATOR),
        ("POST", r"orders/[^/]+/cancellation(?:-preview)?|cases/[^/]+/withdrawal", CANCELS),
        ("POST", r"orders/[^/]+/(?:ship|deliver)|tasks/[^/]+/parcel|stock-receipts|stock/recount", SHIPS),
        ("POST", r"orders/[^/]+/complete", SHIPS | CANCELS),
        ("POST", r"cases/[^/]+/(?:bank-card|decision)", MONEY | CANCELS),
        ("POST", r"tasks/[^/]+/resolution|tasks/resolutions|policies/[^/]+/preview", MONEY),
        ("GET|POST", r"reconciliations(?:/.+)?|figures/.+", MONEY),
        ("PUT|POST", r"coupons/.+|products|reasons|policies(?:/[^/]+/activation)?", SELLS),
        ("POST|DELETE", r"session|session/password|codes|tasks/[^/]+/done", ALL),
        ("GET", r"orders(?:/.+)?|cases|tasks|stock(?:/.+)?|notices|summary|(?:policies|reasons)(?:/.+)?", ALL),
    )
)
"""Who of the staff may ask for what. The first row that fits says it."""

COMING_IN = re.compile(r"/(?:mp|admin)/v1/session(?:/refresh)?\Z")
TAKEN_ALONG = re.compile(r"/admin/v1/(?:orders/[^/]+/export|exports/orders)\Z")
"""Reads of whole orders, which stand in the trail as well."""
OF_AN_ORDER = re.compile(r"/mp/v1/orders/([^/]+)")
MAYBE_WRITTEN = (0, 401, 429, 503)
"""Nobody knows whether it was heard, nobody knows who it was, or it was turned away before it could be done."""
TURNED_AWAY = (400, 403)


def done(status: int) -> bool:
    """Whether it was granted."""
    return 200 <= status < 300


# ── rights ───────────────────────────────────────────────────────────────────────────────────────────────────────────
def with_the_right(reading: Reading) -> Iterable[Violation]:
    """Nobody got what they have no right to: staff by their role, customers only their own orders, and neither at the
    other's door. And no event says that somebody did who may not."""
    owners = {
        str(one.answer["order_id"]): one.who
        for one in reading.evidence.asked
        if one.what == "place" and done(one.status)
    }
    for one in reading.evidence.attempts:
        if done(one.status) and not _may(one, owners):
            yield Violation("I20", one.who, f"{one.method} {one.path} was granted")
    for body in reading.bodies("cancellation-accepted.v1"):
        by = body["by"]
        if by["kind"] == "customer" and by["id"] != body["customer_id"]:
            yield Violation("I20", body["case_id"], f"cancelled by {by['id']}, whose order it is not")
        if by["kind"] == "staff" and by["role"] not in CANCELS and not _took_over(reading, body):
            yield Violation("I20", body["case_id"], f"cancelled by {by['id']}, whose role is {by['role']!r}")
    for body in reading.bodies("order-erased.v1", "order-restored.v1"):
        if body["by"]["role"] not in ADMINISTRATOR:
            yield Violation("I20", body["order_id"], f"taken away or put back by {body['by']['id']}")


def _may(one: Attempt, owners: dict[str, str]) -> bool:
    if COMING_IN.match(one.path) and one.method == "POST":
        return True
    wanted = f"{one.method} {one.path}"
    if one.path.startswith("/admin/"):
        roles = next((roles for place, roles in MAY if place.match(wanted)), frozenset[str]())
        return one.who.startswith("s-") and one.who[2:] in roles
    if one.who.startswith("s-"):
        return wanted in ("GET /mp/v1/products", "GET /openapi.json")
    order = OF_AN_ORDER.match(one.path)
    return order is None or owners.get(order[1], one.who) == one.who


def _took_over(reading: Reading, accepted: Row) -> bool:
    """Whether somebody decided about a task, and the case came of that: cancelled by transfer, or a refund that was
    made by hand."""
    return any(
        body["order_id"] == accepted["order_id"] and body.get("choice") in ("take-over", "cancel-by-transfer")
        for body in reading.bodies("task-resolved.v1")
    )


# ── the trail ────────────────────────────────────────────────────────────────────────────────────────────────────────
def in_the_trail(reading: Reading) -> Iterable[Violation]:
    """Everything the staff did, or took along, is in the audit trail, once, with who it was, what was asked and how it
    ended; what was refused, too. Nothing stands there that nobody asked for."""
    entries: dict[str, list[Row]] = defaultdict(list)
    comings: Counter[str] = Counter()
    for entry in reading.stored("gateway", "audit").values():
        if entry["request_id"]:
            entries[entry["request_id"]].append(entry)
        else:
            comings[entry["staff"]] += 1
    attempts = {one.id: one for one in reading.evidence.attempts}
    for one in attempts.values():
        if _is_deed(one):
            yield from _written(one, entries.get(one.id, []), calm=reading.evidence.calm)
    for id in entries.keys() - attempts.keys():
        yield Violation("I21", id, "stands in the audit trail, and nobody asked for it")
    knocked = Counter(one.who for one in attempts.values() if _comes_in(one) and one.path == "/admin/v1/session")
    for who, count in comings.items():
        if count > knocked[who]:
            yield Violation("I21", who, f"signed in {count} times by the audit trail, asked {knocked[who]} times")


def _is_deed(one: Attempt) -> bool:
    if one.method == "GET":
        return TAKEN_ALONG.match(one.path) is not None
    return one.path.startswith("/admin/") and not _comes_in(one)


def _comes_in(one: Attempt) -> bool:
    return one.method == "POST" and COMING_IN.match(one.path) is not None


def _written(one: Attempt, entries: list[Row], *, calm: bool) -> Iterator[Violation]:
    what = f"{one.method} {one.path}, answered {one.status},"
    if len(entries) > 1:
        yield Violation("I21", one.id, f"{what} stands in the audit trail {len(entries)} times")
    if not entries:
        if one.status not in MAYBE_WRITTEN and (calm or one.status not in TURNED_AWAY):
            yield Violation("I21", one.id, f"{what} is not in the audit trail")
        return
    entry = entries[0]
    if one.who.startswith("s-") and entry["staff"] != one.who:
        yield Violation("I21", one.id, f"{what} is {entry['staff']}'s by the audit trail")
    if (entry["method"], entry["path"]) != (one.method, one.path):
        yield Violation("I21", one.id, f"{what} is {entry['method']} {entry['path']} in the audit trail")
    ended = entry["status"]
    if one.status and ended != one.status and (ended is not None or calm):
        yield Violation("I21", one.id, f"{what} ended with {ended} by the audit trail")


def keeps_no_secret(reading: Reading) -> Iterable[Violation]:
    """Neither the trail nor anything else the gateway stores holds a password, a token or a code that somebody showed,
    or an openid."""
    shown: set[str] = set()
    for one in reading.evidence.asked:
        if one.what in ("sign-in", "refresh"):
            shown.update(str(one.body.get(name) or one.answer.get(name) or "") for name in _SECRETS)
            shown.update(str(one.answer.get(name) or "") for name in _SECRETS)
    kept = repr(reading.evidence.documents.get("gateway", {}))
    for secret in sorted(shown - {""}):
        if secret in kept:
            yield Violation("I16", "the gateway's database", f"{secret[:2]}*** ({len(secret)} characters)")


_SECRETS = ("password", "refresh_token", "access_token")


# ── who is let in ────────────────────────────────────────────────────────────────────────────────────────────────────
def sessions_end(reading: Reading) -> Iterable[Violation]:
    """A refresh token works once. Shown a second time it ends its session, as signing out does: then nobody gets a
    token for it any more. A member of staff without a session does nothing."""
    if "gateway" in reading.evidence.read_stale:
        return
    worked: Counter[str] = Counter()
    ended: set[str] = set()
    for one in reading.evidence.asked:
        if one.what == "sign-out" and one.status == 204:
            ended.add(str(one.body.get("session", "")))
        if one.what != "refresh":
            continue
        token = str(one.body["refresh_token"])
        family = token.partition(".")[0]
        if one.status == 200:
            worked[token] += 1
            if worked[token] > 1:
                yield Violation("I22", one.who, "a refresh token worked twice")
            if family in ended:
                yield Violation("I22", one.who, "a session that had ended went on")
        elif one.status == 401 and worked[token]:
            ended.add(family)
    for attempt in reading.evidence.attempts:
        if attempt.session in ended and attempt.who.startswith("s-") and done(attempt.status):
            begun = _ended_at(reading, attempt.session)
            if begun is not None and attempt.at > begun:
                yield Violation("I22", attempt.who, f"{attempt.method} {attempt.path} in a session that had ended")


def _ended_at(reading: Reading, family: str) -> datetime | None:
    """When its end was answered."""
    times = [
        one.at
        for one in reading.evidence.asked
        if (one.what == "refresh" and one.status == 401 and str(one.body["refresh_token"]).startswith(f"{family}."))
        or (one.what == "sign-out" and one.status == 204 and one.body.get("session") == family)
    ]
    return min(times, default=None)
