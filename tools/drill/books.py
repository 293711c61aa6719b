"""The other two books, order by order: what the order service says about a case and what the payment service says about
its refund. Only what the judge needs is kept, so that ten thousand orders fit in a few megabytes. Pure. Amounts are
fen."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any, Literal, NamedTuple

from contracts.message import CaseId
from services.payment.model import payout_number

Met = Literal["unknown", "parked", "abnormal", "closed", "transfer", "given-back"]
MET: tuple[Met, ...] = ("unknown", "parked", "closed", "abnormal", "transfer", "given-back")


class CaseEntry(NamedTuple):
    """One case as the order service has it. `waits`: nothing more happens to it without a person, and a task says so.
    `met`: what its timeline tells of the way there. `stood`: the longest time between two of its moments, seconds.
    `accepted` and `ended`: when that was, seconds since 1970; 0 where it has not."""

    case_id: str
    order_id: str
    status: str
    waits: bool
    step: str
    amount_minor: int
    received_minor: int
    met: frozenset[str]
    stood: float = 0.0
    accepted: float = 0.0
    ended: float = 0.0


class RefundEntry(NamedTuple):
    """One refund as the payment service has it. `numbers`: every number that its money was asked for under, of refunds
    and of transfers. `attempts`: calls that did not settle the matter."""

    case_id: str
    status: str
    amount_minor: int
    numbers: tuple[str, ...]
    attempts: int


@dataclass(frozen=True, slots=True)
class OrderEntry:
    """One order in both books. `paid_minor` and `received_minor`: what came in, as order and payment service say."""

    order_id: str
    state: str
    paid_minor: int
    received_minor: int
    cases: tuple[CaseEntry, ...]
    refunds: tuple[RefundEntry, ...]


def entry(order: Mapping[str, Any], payment: Mapping[str, Any]) -> OrderEntry:
    """Both books' pages about one order, as the two services show them."""
    receipt = payment.get("receipt")
    return OrderEntry(
        order_id=str(order["order_id"]),
        state=str(order["state"]),
        paid_minor=int(order["paid_minor"]),
        received_minor=int(receipt["amount"]["amount_minor"]) if receipt else 0,
        cases=tuple(_case(case, order) for case in order["cases"]),
        refunds=tuple(_refund(refund) for refund in payment.get("refunds", ())),
    )


def waits_for_somebody(case: Mapping[str, Any], tasks: Iterable[Mapping[str, Any]]) -> bool:
    """Whether an open case is visibly a person's: it has an open task and goes nowhere by itself."""
    tasks = [task for task in tasks if task["case_id"] == case["case_id"] and task["done_at"] is None]
    stuck = any(task["kind"] in ("refund-stuck", "cannot-give-back", "refund-abnormal") for task in tasks)
    return case["status"] == "open" and bool(tasks) and (bool(case["waits_for_a_person"]) or stuck)


def _case(case: Mapping[str, Any], order: Mapping[str, Any]) -> CaseEntry:
    refund = case["refund"] or {}
    completed = case["status"] == "completed"
    return CaseEntry(
        case_id=str(case["case_id"]),
        order_id=str(order["order_id"]),
        status=str(case["status"]),
        waits=waits_for_somebody(case, order["tasks"]),
        step=str(case["step"]),
        amount_minor=int(case["amount_minor"]),
        received_minor=int(refund["amount"]["amount_minor"]) if completed and refund else 0,
        met=frozenset(_met(case, order["timeline"])),
        stood=_stood(case, order["timeline"]),
        accepted=_seconds(case.get("accepted_at")),
        ended=_seconds(case.get("ended_at")),
    )


def _seconds(at: str | None) -> float:
    return datetime.fromisoformat(at).timestamp() if at else 0.0


def _stood(case: Mapping[str, Any], timeline: Iterable[Mapping[str, Any]]) -> float:
    mine = [str(moment["at"]) for moment in timeline if moment["case_id"] == case["case_id"] and moment.get("at")]
    ends = [str(case[name]) for name in ("accepted_at", "ended_at") if case.get(name)]
    times = sorted(datetime.fromisoformat(text) for text in (*mine, *ends))
    return max(((after - before).total_seconds() for before, after in pairwise(times)), default=0.0)


def _met(case: Mapping[str, Any], timeline: Iterable[Mapping[str, Any]]) -> Iterable[str]:
    for moment in timeline:
        if moment["case_id"] == case["case_id"]:
            if moment["what"] == "refund-attempted":
                yield str(moment["detail"]["outcome"])
            elif moment["what"] == "refund-rerouted":
                yield "transfer"
            elif moment["what"] == "road-taken" and moment["detail"].get("road") == "given-back":
                yield "given-back"


def _refund(refund: Mapping[str, Any]) -> RefundEntry:
    payouts = int(refund["payout"]["n"]) if refund.get("payout") else 0
    case_id = str(refund["case_id"])
    transfers = (payout_number(CaseId(case_id), n) for n in range(1, payouts + 1))
    return RefundEntry(
        case_id=case_id,
        status=str(refund["status"]),
        amount_minor=int(refund["amount"]["amount_minor"]),
        numbers=(*map(str, refund["closed_numbers"]), str(refund["number"]), *map(str, transfers)),
        attempts=int(refund["attempts"]),
    )
