"""Evidence made by hand: a shop that has cancelled one order, could not refund another, shipped a third, and told
everybody. Everything in it fits together; a test spoils one thing."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from chassis.delivery import Delivery
from contracts.message import CATALOGUE, Event, Message, message_id
from sandbox.subscribe import openid_of
from services.analytics.projections import PROJECTIONS
from tests.simulation.evidence import Asked, Attempt, Evidence

AT = datetime(2026, 1, 5, 9, 0, tzinfo=UTC)
LATER = AT + timedelta(days=10)
WHEN = AT.isoformat().replace("+00:00", "Z")
PHONE, NAME, OPENID = "13800001234", "张三丰", openid_of("c1")
CUSTOMER = {"customer_id": "c1", "openid": OPENID, "phone": PHONE, "name": NAME, "language": "zh"}
REASON = {"family": "customer", "code": "changed-mind", "remark": ""}
BY = {"kind": "customer", "id": "c1", "role": ""}

Body = dict[str, Any]
Say = tuple[str, Body]
"""A wire name and a body."""


def yuan(fen: int) -> Body:
    """An amount."""
    return {"amount_minor": fen, "currency": "CNY"}


@dataclass
class Scene:
    """Evidence that can still be changed."""

    documents: dict[str, dict[str, dict[str, Any]]] = field(
        default_factory=lambda: defaultdict(lambda: defaultdict(dict))
    )
    topics: dict[str, list[Delivery]] = field(default_factory=lambda: defaultdict(list))
    money: list[Body] = field(default_factory=list)
    messages: list[Body] = field(default_factory=list)
    ledger_violations: list[Body] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    attempts: list[Attempt] = field(default_factory=list)
    logs: list[str] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    stock: dict[str, int] = field(default_factory=lambda: {"tea": 100})
    at: datetime = LATER
    final: bool = True
    calm: bool = True
    emptied: int = 0
    nightly: bool = False
    unpaid_minutes: int = 60
    shipping: dict[str, list[Body]] = field(default_factory=dict)
    behind: dict[tuple[str, str], int] = field(default_factory=dict)
    """Records at the end of a topic that a group has not read yet."""

    def evidence(self) -> Evidence:
        """What the judge is shown."""
        committed = {
            (group, topic, 0): len(self.topics[topic]) - self.behind.get((group, topic), 0)
            for group, topics in READS.items()
            for topic in topics
        }
        return Evidence(
            at=self.at,
            final=self.final,
            money=self.money,
            messages=self.messages,
            ledger_violations=self.ledger_violations,
            topics=self.topics,
            committed=committed,
            documents=self.documents,
            asked=self.asked,
            attempts=self.attempts,
            initial_stock=self.stock,
            logs=self.logs,
            sizes=self.sizes,
            calm=self.calm,
            emptied=self.emptied,
            nightly=self.nightly,
            unpaid_minutes=self.unpaid_minutes,
            shipping=self.shipping,
        )

    # ── documents ────────────────────────────────────────────────────────────────────────────────────────────────────
    def state(self, service: str, collection: str, id: str) -> Body:
        """What a record knows, to be changed."""
        known: Body = self.record(service, collection, id)["state"]
        return known

    def record(self, service: str, collection: str, id: str) -> Body:
        """A record's document; a new one where there is none."""
        records = self.documents[service][collection]
        new = {"_id": id, "state": {}, "version": 0, "journal": [], "unsaid": [], "wake_at": None, "attempts": 0}
        document: Body = records.setdefault(id, {**new, "touched_at": AT})
        return document

    # ── at the door ──────────────────────────────────────────────────────────────────────────────────────────────────
    def tries(
        self, who: str, method: str, path: str, status: int, *, entry: str | None = None, session: str = ""
    ) -> None:
        """A request, and what the audit trail has of it where staff change something (`entry`: under which id)."""
        id = f"{who}.{len(self.attempts) + 1}"
        self.attempts.append(Attempt(LATER, who, method, path, id, session, status))
        if path.startswith("/admin/") and method != "GET":
            self.notes(who, method, path, status, id if entry is None else entry)

    def notes(self, who: str, method: str, path: str, status: int | None, request_id: str) -> None:
        """An entry of the audit trail."""
        entry = {"staff": who, "method": method, "path": path, "status": status, "request_id": request_id}
        trail = self.documents["gateway"]["audit"]
        trail[f"entry-{len(trail)}"] = {"_id": f"entry-{len(trail)}", **entry}

    # ── what happens ─────────────────────────────────────────────────────────────────────────────────────────────────
    def hears(self, record: tuple[str, str, str], heard: str, *says: Say, passing: bool = False) -> str:
        """A record hears a message and says others; the id of the first."""
        document = self.record(*record)
        document["version"] += 1
        said = [self._said(record[0], heard, position, wire, body) for position, (wire, body) in enumerate(says)]
        document["journal"].append({"heard": heard, "passing": passing, "said": said})
        return message_id(heard, 0)

    def does(self, record: tuple[str, str, str], heard: str, intent: str, *says: Say) -> str:
        """A record hears a message because of which something is done outside, and says others when that is done; the
        id of the first of them."""
        document = self.record(*record)
        document["version"] += 1
        done = message_id(heard, 0)
        wish = {"id": done, "wire": intent, "key": record[2], "body": "{}", "at": AT}
        document["journal"].append({"heard": heard, "passing": False, "said": [wish]})
        return self.hears(record, message_id(done, "report"), *says, passing=True)

    def _said(self, source: str, heard: str, position: int, wire: str, body: Body) -> Body:
        id = message_id(heard, position)
        message = read(wire, body)
        topic = message.topic
        assert topic is not None
        text = message.model_dump_json()
        self.sends(topic.name, wire, id, message.key_value, text, cause=heard, source=source)
        return {"id": id, "wire": wire, "topic": topic.name, "key": message.key_value, "body": text, "at": AT}

    def sends(
        self, topic: str, wire: str, id: str, key: str, text: str, *, cause: str = "", source: str = "", **more: str
    ) -> Delivery:
        """Put a record on a topic."""
        headers = {"ce_id": id, "ce_type": wire, "ce_source": source, "ce_time": WHEN, "ce_cause": cause, **more}
        there = self.topics[topic]
        delivery = Delivery(
            topic,
            0,
            len(there),
            key.encode(),
            text.encode(),
            tuple((name, one.encode()) for name, one in headers.items()),
        )
        there.append(delivery)
        return delivery

    def rewords(self, wire: str, key: str, **changes: Any) -> None:
        """What was said was something else: in the journal and on the topic."""
        for records in (records for collections in self.documents.values() for records in collections.values()):
            for record in records.values():
                for said in (said for entry in record.get("journal", ()) for said in entry["said"]):
                    if (said["wire"], said["key"]) == (wire, key):
                        said["body"] = json.dumps({**json.loads(said["body"]), **changes})
                        self._replaced(said["id"], said["body"].encode())

    def _replaced(self, id: str, raw: bytes) -> None:
        for deliveries in self.topics.values():
            for place, one in enumerate(deliveries):
                if dict(one.headers).get("ce_id") == id.encode():
                    deliveries[place] = replace(one, body=raw)

    def loses(self, wire: str, key: str, *, unsaid: bool = False) -> None:
        """A message never reached its topic; `unsaid`: the record knows."""
        for topic, deliveries in self.topics.items():
            kept = [
                one for one in deliveries if (dict(one.headers)["ce_type"].decode(), one.key.decode()) != (wire, key)
            ]
            self.topics[topic] = [replace(one, offset=offset) for offset, one in enumerate(kept)]
        for record in self.documents["order"]["orders"].values():
            ids = [said["id"] for entry in record["journal"] for said in entry["said"] if said["wire"] == wire]
            record["unsaid"] = [*record["unsaid"], *(ids if unsaid and record["_id"] == key else ())]

    def forgets(self, record: tuple[str, str, str], *heard: str) -> None:
        """A record's journal without what it said or heard: ids of entries."""
        document = self.record(*record)
        document["journal"] = [entry for entry in document["journal"] if entry["heard"] not in heard]

    def id_of(self, wire: str, key: str) -> str:
        """The id of the first message of that kind about an order. Raises LookupError."""
        for deliveries in self.topics.values():
            for one in deliveries:
                headers = dict(one.headers)
                if (headers["ce_type"].decode(), one.key.decode()) == (wire, key):
                    return headers["ce_id"].decode()
        raise LookupError(f"{wire} {key}")

    def takes(
        self, id: str, cause: str, order_id: str, line_no: int, *, product_id: str = "tea", **amounts: int
    ) -> None:
        """A line of the stock ledger, and what it does to the balance of its product."""
        line = {"available": 0, "reserved": 0, "sold": 0, "received": 0, **amounts}
        self.documents["inventory"]["ledger"][id] = {
            "_id": id,
            "product_id": product_id,
            "owner": order_id,
            "line_no": line_no,
            "cause": cause,
            **line,
            "refused": False,
            "swept": 0,
            "at": AT,
        }
        balance = self.documents["inventory"]["balances"].setdefault(
            product_id,
            {"_id": product_id, "available": 0, "reserved": 0, "sold": 0, "received": 0, "swept": 1, "pending": []},
        )
        for name, amount in line.items():
            balance[name] += amount

    def pays(self, kind: str, order_id: str, amount: int, **numbers: str) -> None:
        """A line of the provider's money book."""
        line = {
            "id": len(self.money) + 1,
            "kind": kind,
            "mchid": "m1",
            "out_trade_no": order_id,
            "amount_minor": amount,
        }
        empty = {"out_refund_no": None, "out_bill_no": None, "openid": OPENID, "code": None, "time": WHEN}
        self.money.append({**line, **empty, **numbers})

    def carries(self, order_id: str, outcome: str, channel: str = "wechat", **more: Any) -> None:
        """A line of the providers' message book."""
        by_wechat = {"character_string1": order_id, "amount2": "¥9.00"}, OPENID
        values, to = by_wechat if channel == "wechat" else ({"order": order_id, "amount": "¥9.00"}, f"+86{PHONE}")
        about = {"template": "t", "template_name": outcome, "message_id": "m", "time": WHEN, "to": to, "values": values}
        self.messages.append({"id": len(self.messages) + 1, "channel": channel, **about, **more})

    def figures(self) -> None:
        """What analytics writes when it reads the topics."""
        for topic, deliveries in self.topics.items():
            for delivery in deliveries if topic.endswith(".events") else ():
                wire = dict(delivery.headers)["ce_type"].decode()
                event = read(wire, json.loads(delivery.body))
                assert isinstance(event, Event)
                for projection in PROJECTIONS:
                    self._project(projection.name, projection.functions.get(type(event)), event)

    def _project(self, name: str, function: Any, event: Event) -> None:
        facts = self.documents["analytics"][name]
        for update in function(event) if function is not None else ():
            facts.setdefault(update.filter["_id"], {"_id": update.filter["_id"]}).update(update.change["$set"])


READS: Mapping[str, tuple[str, ...]] = {
    "order": ("order.commands", "inventory.events", "payment.events", "notify.events"),
    "payment": ("payment.commands",),
    "inventory": ("inventory.commands",),
    "notify": ("notify.commands",),
    "analytics": ("order.events", "inventory.events", "payment.events", "notify.events"),
}


def read(wire: str, body: Body) -> Message:
    """A message of that wire name. Raises ValidationError for what is none."""
    return CATALOGUE[wire].model_validate(body)


def ended(step: str, **fields: Any) -> Body:
    """A saga's run that has ended, unless `fields` say otherwise."""
    ended = {
        "saga": "s",
        "version": 1,
        "step": step,
        "status": "done",
        "attempts": 1,
        "entered_at": AT,
        "wake_at": None,
    }
    return {**ended, "refused_by": None, "attention_at": None, **fields}
