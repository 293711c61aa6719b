"""The timeline of an order in plain words, for its customer and for staff, and the order as its customer sees it."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime
from typing import Any

from chassis.telemetry import masked
from contracts.payment import OUTSIDE_ROUTE
from contracts.zone import CHINA
from services.order.cancellation import Cancellation
from services.order.colours import colour_of
from services.order.exchange import Exchange
from services.order.model import Case, Moment, Order
from services.order.sentences import SENTENCES
from services.order.words import reason_in_words, refusal_in_words, state_in_words

_SIGNS = {"CNY": "¥", "USD": "$", "EUR": "€", "GBP": "£", "JPY": "JP¥"}
_WHO = {"customer": ("您", "you"), "staff": ("商家", "the shop"), "system": ("系统", "the system")}
_CHANNELS = {"wechat": ("微信", "WeChat"), "inbox": ("小程序消息", "a message in the mini-program")}
_SMS = ("短信", "SMS")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_SHOWN_TO_CUSTOMERS = ("carrier", "tracking_number")


def told_to_staff(order: Order) -> list[dict[str, Any]]:
    """Every line of the timeline: its code, its facts as they are, and a sentence."""
    return [{**moment.model_dump(), "in_words": in_words(order, moment)} for moment in order.timeline]


def told_to_customer(order: Order) -> list[dict[str, Any]]:
    """The lines that are about the customer's order, without what only staff may know."""
    return [
        {
            "at": moment.at,
            "what": moment.what,
            "case_id": moment.case_id,
            "in_words": in_words(order, moment),
            "detail": {name: moment.detail[name] for name in _SHOWN_TO_CUSTOMERS if name in moment.detail},
            **_expected(order, moment),
        }
        for moment in order.timeline
        if moment.what in SENTENCES and not SENTENCES[moment.what].staff_only
    ]


def in_words(order: Order, moment: Moment) -> dict[str, str]:
    """The sentence of a line, `{"zh", "en"}`. A code that this version does not know is shown as it is."""
    sentence = SENTENCES.get(moment.what)
    if sentence is None:
        return {"zh": moment.what, "en": moment.what}
    facts = _facts(order, moment)
    return {"zh": _said(sentence.zh, facts), "en": _said(sentence.en, facts)}


def _said(sentence: str, facts: dict[str, str]) -> str:
    said = sentence.format_map(defaultdict(str, facts))
    for empty in ("()", " ()", "( )"):
        said = said.replace(empty, "")
    return " ".join(said.split()).replace(" 。", "。").replace(" .", ".")


def _facts(order: Order, moment: Moment) -> dict[str, str]:
    because = moment.detail.get("reason", "")
    refusal = moment.detail.get("refusal", "")
    facts = {
        **moment.detail,
        "because": because,
        "because_zh": refusal_in_words(because, "zh"),
        "because_en": refusal_in_words(because, "en"),
        "refusal_zh": refusal_in_words(refusal, "zh"),
        "refusal_en": refusal_in_words(refusal, "en"),
        "found_zh": refusal_in_words(moment.detail.get("found", ""), "zh"),
        "found_en": refusal_in_words(moment.detail.get("found", ""), "en"),
        "paid": money(order.paid.amount_minor, order.paid.currency) if order.paid else "",
    }
    channel = moment.detail.get("channel", "")
    facts["channel_zh"], facts["channel_en"] = _CHANNELS.get(channel, _SMS)
    facts["route_zh"], facts["route_en"] = _route(moment.detail.get("route", ""))
    case = order.case(moment.case_id) if moment.case_id else None
    return facts if case is None else {**facts, **_case_facts(order, case)}


def _route(route: str) -> tuple[str, str]:
    """Where the money of a line goes, in Chinese and English."""
    if route == OUTSIDE_ROUTE:
        return "您与商家约定的账户", "the account that you agreed on with the shop"
    if "零钱通" in route:
        return "微信零钱通", "your WeChat Mini Fund"
    if "零钱" in route:
        return "微信零钱", "your WeChat balance"
    return route or "原支付账户", "the account it was paid from"


def _case_facts(order: Order, case: Case) -> dict[str, str]:
    known, refund = Cancellation.of(order, case), case.refund
    who_zh, who_en = _WHO[case.by.kind]
    facts = {
        "amount": money(case.amount.amount_minor, case.amount.currency),
        "who_zh": who_zh,
        "who_en": who_en,
        "reason_zh": reason_in_words(case.reason, "zh", case.words),
        "reason_en": reason_in_words(case.reason, "en", case.words),
        "received": money(case.amount.amount_minor, case.amount.currency),
    }
    if refund is not None:
        shown = refund.amount.amount_minor if refund.payer_minor is None else refund.payer_minor
        facts["amount"] = money(shown, refund.amount.currency)
        received = shown if refund.received_minor is None else refund.received_minor
        facts["received"] = money(received, refund.amount.currency)
    if known.confirm_by is not None:
        facts["expected_zh"] = f",请在 {when(known.confirm_by, 'zh')} 前在小程序确认收款"
        facts["expected_en"] = f"; please confirm it in the mini-program by {when(known.confirm_by, 'en')}"
    elif known.expected_by is not None:
        facts["expected_zh"] = f",预计 {when(known.expected_by, 'zh')} 前到账"
        facts["expected_en"] = f" and should arrive by {when(known.expected_by, 'en')}"
    return facts


def _expected(order: Order, moment: Moment) -> dict[str, Any]:
    """When the money should be there, for the line that says it is on its way."""
    case = order.case(moment.case_id) if moment.case_id else None
    if case is None or moment.what != "refund-accepted":
        return {}
    known = Cancellation.of(order, case)
    return {"expected_by": known.expected_by, "confirm_by": known.confirm_by}


def masked_contact(name: str, phone: str) -> dict[str, str]:
    """Who ordered, as lists show it: `张*`, `138****1234`."""
    return {"name": f"{name[:1]}*", "phone": masked(phone)}


def money(amount_minor: int, currency: str) -> str:
    """An amount for people."""
    return f"{_SIGNS.get(currency, currency + ' ')}{amount_minor / 100:.2f}"


def when(at: datetime, language: str) -> str:
    """A time for people, by China's clock, to the minute."""
    local = at.astimezone(CHINA)
    clock = f"{local.hour:02}:{local.minute:02}"
    if language == "zh":
        return f"{local.month}月{local.day}日 {clock}"
    return f"{local.day} {_MONTHS[local.month - 1]} {clock}"


def shown_to_all(order: Order) -> dict[str, Any]:
    """What customers and staff see of an order alike."""
    return {
        "order_id": order.order_id,
        "customer_id": order.customer_id,
        "reference": order.reference,
        "state": order.state,
        "state_in_words": state_in_words(order.state),
        "colour": colour_of(order.state),
        "partly_cancelled": any(line.cancelled for line in order.lines) and order.state != "cancelled",
        "payable": order.state == "pending-payment" and order.placing is not None and order.placing.status == "done",
        "total": {"amount_minor": order.total_minor, "currency": order.currency},
        "paid_minor": order.paid.amount_minor if order.paid else 0,
        "refunded_minor": order.refunded_minor,
        "placed_at": order.placed_at,
        "pay_until": order.expires_at,
        "deliver_after": order.deliver_after,
        "carrier": order.carrier,
        "tracking_number": order.tracking_number,
        "lines": [{**line.model_dump(), "left": line.left} for line in order.lines],
        "exchanges": [exchange_shown(one) for one in order.exchanges],
    }


def exchange_shown(exchange: Exchange) -> dict[str, Any]:
    """What customers and staff see of an exchange. `step`, `attempts`: how far it has come, how often it was asked."""
    return {
        "exchange_id": exchange.exchange_id,
        "status": exchange.status,
        "line_no": exchange.old.line_no,
        "quantity": exchange.old.quantity,
        "old_product_id": exchange.old.product_id,
        "new_product_id": exchange.new.product_id,
        "new_name": exchange.new.name,
        "new_line_no": exchange.new.line_no if exchange.is_swapped else None,
        "refusal": {lang: refusal_in_words(exchange.refusal, lang) for lang in ("zh", "en")},
        "step": exchange.run.step,
        "attempts": exchange.run.attempts,
        "begun_at": exchange.begun_at,
        "ended_at": exchange.ended_at,
    }


def case_shown_to_all(order: Order, case: Case) -> dict[str, Any]:
    """What customers and staff see of a cancellation alike."""
    waiting = case.ruling if case.waits else None
    return {
        "case_id": case.case_id,
        "order_id": order.order_id,
        "status": case.status,
        "waits_for": waiting.waits_for if waiting else "",
        "undo_until": waiting.until if waiting else None,
        "reason": {
            **case.reason.model_dump(),
            "in_words": {
                "zh": reason_in_words(case.reason, "zh", case.words),
                "en": reason_in_words(case.reason, "en", case.words),
            },
        },
        "lines": [line.model_dump() for line in case.lines],
        "amount_minor": case.amount.amount_minor,
        "currency": case.amount.currency,
        "reference": case.reference,
        "accepted_at": case.accepted_at,
        "ended_at": case.ended_at,
        "refund_number": case.refund.number if case.refund else None,
        "rating": case.rating.model_dump() if case.rating else None,
        "parcel": case.parcel.model_dump(exclude={"by"}) if case.parcel else None,
    }


def customers_order(order: Order) -> dict[str, Any]:
    """One order as its customer sees it: no task, no attempt, no provider's code, nobody of the staff."""
    return {
        **shown_to_all(order),
        "cases": [customers_case(order, case) for case in order.cases],
        "timeline": told_to_customer(order),
    }


def customers_case(order: Order, case: Case) -> dict[str, Any]:
    """One cancellation as the order's customer sees it. `note`: why the shop did not agree to it."""
    refund = case.refund
    known = Cancellation.of(order, case)
    return {
        **case_shown_to_all(order, case),
        "by": {"kind": case.by.kind},
        "note": known.note,
        "refusal": {"zh": refusal_in_words(case.refusal, "zh"), "en": refusal_in_words(case.refusal, "en")},
        "refund": {
            "amount_minor": refund.amount.amount_minor if refund.payer_minor is None else refund.payer_minor,
            "route": refund.route,
            "accepted_at": refund.accepted_at,
            "expected_by": known.expected_by,
            "confirm_by": refund.confirm_by,
            "settled_at": refund.settled_at,
            "received_minor": refund.received_minor,
        }
        if refund
        else None,
    }
