"""What an order says of itself to whoever sets its goods aside, takes its money, and carries its parcel."""

from __future__ import annotations

from services.order.placing import Placement
from tests.unit.order.told import CUP, TEA, Told, place

LONG = TEA.model_copy(update={"name": "明前特级西湖龙井茶叶" * 20})


def test_a_payment_is_described_in_at_most_127_bytes_and_a_parcel_in_120_characters() -> None:
    wish = place(((LONG, 1), (CUP, 1)))
    facts = Placement.of(Told().hears(wish.model_copy(update={"products": (LONG, CUP)})).order)
    assert facts.description.endswith(" 等2件")
    assert 124 < len(facts.description.encode()) <= 127, "no character is cut through"
    assert (len(facts.parcel), facts.parcel[-4:]) == (120, " 等2件")


def test_a_short_name_stands_there_whole() -> None:
    facts = Placement.of(Told().hears(place(((TEA, 3),))).order)
    assert (facts.description, facts.parcel) == ("茶", "茶")
