"""What we hear about a customer's subscriptions adds up to a hint, and never to a promise."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.notify.quota import HINT_LASTS, SAME_TAP, Fact, Source, What, quota
from services.notify.subscriptions import FACTS_MAX, Subscriptions
from tests.unit.notify.ledger import Shelf
from tests.unit.notify.story import NOW


def facts(*heard: What | tuple[What, Source]) -> list[Fact]:
    """One after the other, an hour apart."""
    found = []
    for hour, one in enumerate(heard):
        what, source = one if isinstance(one, tuple) else (one, "page")
        at = NOW + timedelta(hours=hour)
        found.append(Fact(id=f"{hour:04}", openid="o", template_id="t", what=what, source=source, at=at))
    return found


END = NOW + timedelta(hours=10)


@pytest.mark.parametrize(
    ("heard", "left", "empty"),
    [
        ([], 0, False),
        (["accept"], 1, False),
        (["accept", "accept"], 2, False),
        (["accept", "sent"], 0, False),
        (["sent"], 0, False),
        (["no-quota"], 0, True),
        (["accept", "sent", "no-quota"], 0, True),
        (["accept", "accept", "no-quota"], 0, True),
        (["no-quota", "accept"], 1, False),
        (["no-quota", "sent"], 0, False),
        (["reject"], 0, True),
        (["accept", "reject"], 1, False),
        (["accept", "reject", "sent", "reject"], 0, True),
        (["accept", "off"], 0, True),
        (["accept", "ban"], 0, True),
        (["off", "accept"], 1, False),
    ],
)
def test_what_facts_add_up_to(heard: list[What], left: int, empty: bool) -> None:
    found = quota(facts(*heard))
    assert (found.left, found.known_empty(END)) == (left, empty)


def test_one_tap_reported_from_two_sides_is_one_accept() -> None:
    page, push = facts(("accept", "page"), ("accept", "push"))
    assert quota([page, push]).left == 2, "an hour apart"
    near = push.model_copy(update={"at": page.at + SAME_TAP})
    assert quota([page, near]).left == 1
    again = page.model_copy(update={"id": "b", "at": page.at + timedelta(seconds=30)})
    assert quota([page, again, near]).left == 2, "the same side says so twice: two taps"


def test_a_hint_does_not_last_for_ever() -> None:
    found = quota(facts("no-quota"))
    assert found.known_empty(NOW + HINT_LASTS - timedelta(seconds=1))
    assert not found.known_empty(NOW + HINT_LASTS)


WHATS: list[What] = ["accept", "reject", "off", "ban", "sent", "no-quota"]


@given(st.lists(st.sampled_from(WHATS), max_size=12), st.data())
def test_the_order_in_which_facts_arrive_does_not_matter(heard: list[What], data: st.DataObject) -> None:
    known = facts(*heard)
    mixed = data.draw(st.permutations(known))
    assert quota(mixed) == quota(known)
    assert quota(known).left <= heard.count("accept")
    assert not quota(facts(*heard, "accept")).known_empty(NOW + timedelta(hours=len(heard))), "an accept opens it"


async def test_the_ledger_hears_a_fact_once_and_reads_the_newest() -> None:
    shelf = Shelf()
    subscriptions = Subscriptions(shelf)
    accepts: list[What] = ["accept"] * (FACTS_MAX + 5)
    known = facts(*accepts)
    for _ in range(2):
        await subscriptions.note(known)
    assert len(shelf.documents) == FACTS_MAX + 5
    assert (await subscriptions.quota("o", "t")).left == FACTS_MAX
    assert (await subscriptions.quota("o", "other")).left == 0
    await subscriptions.note([])
    later = END + timedelta(days=9)
    await subscriptions.note([known[0].model_copy(update={"id": "z", "what": "no-quota", "at": later})])
    assert await subscriptions.known_empty("o", "t", later)
