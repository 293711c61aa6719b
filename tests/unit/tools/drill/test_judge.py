"""The judge lets books in order pass, and finds every kind of violation."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.unit.tools.drill.given import BACK, CASES, Books, Json, message, money, order_page, violations
from tools.drill.judge import LINES, judge

ONCE = "every completed case refunded exactly once, exactly its amount"
TWICE = "no case refunded twice, none with two refunds under way"
UNDONE = "no money left for an undone case"
ENDED = "every case has ended or visibly waits for a person, unpaid"
BOOKED = "the accepted cases are those in the order book"
STRAY = "no money left without a case"
NUMBER = "no refund number accepted twice"
PAYMENT = "payment's books and the order book agree"
TOLD = "customers told exactly one final outcome per case"
KILLS = "every kill -9 survived"
SANDBOX = "the sandbox's own check of its ledger"
FEN = "the three books agree to the fen"
DRIVEN = "every order was driven to its cancellation"


def test_books_in_order_pass_and_everything_was_looked_at() -> None:
    checks = judge(Books().evidence())
    assert violations(checks) == {}
    assert len(checks) == len(LINES) == 13
    assert {check.name[1]: check.compared for check in checks if check.name[1] in (ONCE, UNDONE, ENDED, KILLS)} == {
        ONCE: 2,
        UNDONE: 1,
        ENDED: len(CASES),
        KILLS: 2,
    }


def _second_number(books: Books) -> None:
    books.money += [money("refund-accepted", "done", 2), money("refund-success", "done", 2)]
    books.refund("done")["closed_numbers"] = ["done-c1-2"]


def _refund_beside_transfer(books: Books) -> None:
    books.money += [money("refund-accepted", "sent"), money("refund-success", "sent")]


def _second_under_way(books: Books) -> None:
    books.money.append(money("refund-accepted", "done", 2))


def _not_refunded(books: Books) -> None:
    books.money = [line for line in books.money if line["kind"] != "refund-success"]


def _wrong_amount(books: Books) -> None:
    for line in books.money:
        if line["out_refund_no"] == "done-c1-1" and line["kind"].startswith("refund-"):
            line["amount_minor"] += 1


def _undone_refunded(books: Books) -> None:
    books.money += [money("refund-accepted", "gone"), money("refund-success", "gone")]


def _undone_under_way(books: Books) -> None:
    books.money.append(money("refund-accepted", "gone"))


def _waiting_but_paid(books: Books) -> None:
    books.money += [money("refund-accepted", "stuck", 2), money("refund-success", "stuck", 2)]


def _nobody_is_asked(books: Books) -> None:
    books.orders["stuck"]["tasks"] = []


def _task_was_done(books: Books) -> None:
    books.orders["stuck"]["tasks"][0]["done_at"] = "2026-11-01T00:00:00Z"


def _hanging(books: Books) -> None:
    books.orders["stuck"] = order_page("stuck", "open", waits_for_a_person=False)
    books.orders["stuck"]["tasks"] = []


def _case_lost(books: Books) -> None:
    books.orders["done"]["cases"] = []
    books.payments["done"]["refunds"] = []
    books.money = [line for line in books.money if line["out_refund_no"] != "done-c1-1"]
    books.money.append(money("payment", "done", amount=1_000))
    books.messages = [line for line in books.messages if "done" not in line["values"].values()]


def _case_of_nobody(books: Books) -> None:
    del books.asked["done-c1"]


def _amount_changed(books: Books) -> None:
    books.asked["done-c1"] = BACK + 1


def _without_case(books: Books) -> None:
    books.money += [money("refund-accepted", "else"), money("refund-closed", "else")]


def _transfer_without_case(books: Books) -> None:
    bill = "0123456789abcdef0123456789abcdef"
    books.money += [money("transfer-accepted", "", bill=bill), money("transfer-returned", "", bill=bill)]


def _accepted_twice(books: Books) -> None:
    books.money += [money("refund-accepted", "stuck"), money("refund-closed", "stuck")]


def _payment_says_accepted(books: Books) -> None:
    books.refund("done")["status"] = "accepted"


def _payment_has_no_refund(books: Books) -> None:
    books.payments["gone"]["refunds"] = []


def _payment_has_one_more(books: Books) -> None:
    books.payments["gone"]["refunds"].append(books.refund("gone") | {"case_id": "gone-c2", "number": "gone-c2-1"})


def _told_nothing(books: Books) -> None:
    books.inbox = {}


def _told_both(books: Books) -> None:
    books.messages.append(message("refund-failed", "done"))


def _told_twice(books: Books) -> None:
    books.messages.append(message("refund-arrived", "done"))


def _told_somebody_else(books: Books) -> None:
    (one,) = (one for one in books.messages if (one["template_name"], _order_of(one)) == ("refund-arrived", "done"))
    one["to"] = "openid-of-another"


def _order_of(message: Json) -> str:
    return str(next(iter(message["values"].values())))


def _told_although_waiting(books: Books) -> None:
    books.messages.append(message("refund-failed", "stuck"))


def _told_about_nothing(books: Books) -> None:
    books.messages.append(message("refund-arrived", "else"))


def _never_came_back(books: Books) -> None:
    books.restarts["payment"] = 1


def _not_ready(books: Books) -> None:
    books.ready["order"] = False


def _sandbox_objects(books: Books) -> None:
    books.violations.append("a refund both succeeded and was closed: 7 (1)")


def _order_book_paid_less(books: Books) -> None:
    books.orders["gone"]["paid_minor"] -= 1


def _order_book_refunded_less(books: Books) -> None:
    books.case("done")["refund"]["amount"]["amount_minor"] -= 1


def _not_driven(books: Books) -> None:
    books.failures.append("order 9: no answer within 120 s")


@pytest.mark.parametrize(
    ("spoil", "line", "names"),
    [
        (_second_number, TWICE, "done-c1-2"),
        (_second_number, ONCE, "[400, 400]"),
        (_refund_beside_transfer, TWICE, "sent-c1"),
        (_second_under_way, TWICE, "2 refunds"),
        (_not_refunded, ONCE, "arrived []"),
        (_wrong_amount, ONCE, "[401]"),
        (_undone_refunded, UNDONE, "gone-c1"),
        (_undone_under_way, UNDONE, "gone-c1"),
        (_waiting_but_paid, ENDED, "400 fen have arrived"),
        (_nobody_is_asked, ENDED, "nobody is asked"),
        (_task_was_done, ENDED, "nobody is asked"),
        (_hanging, ENDED, "see the refund arrive"),
        (_case_lost, BOOKED, "booked None"),
        (_case_of_nobody, BOOKED, "nobody was told"),
        (_amount_changed, BOOKED, "accepted 401"),
        (_without_case, STRAY, "else-c1-1"),
        (_transfer_without_case, STRAY, "0123456789abcdef"),
        (_accepted_twice, NUMBER, "stuck-c1-1: accepted 2"),
        (_payment_says_accepted, PAYMENT, "order settled, payment accepted"),
        (_payment_has_no_refund, PAYMENT, "gone-c1"),
        (_payment_has_one_more, PAYMENT, "gone-c2"),
        (_told_nothing, TOLD, "sent: wanted ['refund-arrived'], told []"),
        (_told_both, TOLD, "'refund-failed'"),
        (_told_twice, TOLD, "wechat carried refund-arrived 2 times"),
        (_told_somebody_else, TOLD, "went to openid-of-another"),
        (_told_although_waiting, TOLD, "stuck"),
        (_told_about_nothing, TOLD, "nobody knows"),
        (_never_came_back, KILLS, "killed 2 times, started again 1"),
        (_not_ready, KILLS, "order is not ready"),
        (_sandbox_objects, SANDBOX, "both succeeded"),
        (_order_book_paid_less, FEN, "gone, paid"),
        (_order_book_refunded_less, FEN, "refunded: ledger 800, payment 800, order 799"),
        (_not_driven, DRIVEN, "order 9"),
    ],
)
def test_a_violation_is_found_and_named(spoil: Callable[[Books], None], line: str, names: str) -> None:
    books = Books()
    spoil(books)
    found = violations(judge(books.evidence()))
    assert line in found, found
    assert any(names in difference for difference in found[line]), found[line]


def test_another_channel_may_repeat_the_same_words_after_a_crash() -> None:
    books = Books()
    books.messages.append(message("refund-arrived", "done", "sms-tencent"))
    assert violations(judge(books.evidence())) == {}
