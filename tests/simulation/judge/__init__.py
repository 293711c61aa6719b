"""The judge: one sentence for each promise, asked of everything a world has left behind. It shares no rule with the
services: what they promise is written down here a second time."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from tests.simulation.evidence import Evidence, Violation
from tests.simulation.judge import (
    addressed,
    afterwards,
    books,
    confirmed,
    door,
    exchanges,
    figures,
    hearing,
    kept,
    lives,
    messages,
    money,
    notices,
    overdue,
    privacy,
    promises,
    records,
    restored,
    rights,
    stock,
    taken_away,
)
from tests.simulation.judge.reading import Reading
from tests.simulation.judge.replay import same_after_replay, since

__all__ = ["CHECKS", "Check", "judge", "same_after_replay", "since"]


@dataclass(frozen=True, slots=True)
class Check:
    """One promise. `says`: in one sentence. `final`: to be asked only at the end, when faults have ceased and
    everything had time to end; the others hold at every quiet point. `calm`: to be asked only of worlds without faults.
    `restored`: to be asked of worlds whose databases were put back, too, or (`only`) of no others.
    """

    name: str
    invariant: str
    says: str
    find: Callable[[Reading], Iterable[Violation]]
    final: bool = False
    calm: bool = False
    restored: Literal["no", "too", "only"] = "no"

    def __call__(self, evidence: Evidence) -> Iterable[Violation]:
        return self.find(Reading(evidence))

    def fits(self, evidence: Evidence) -> bool:
        """Whether it may be asked of this evidence."""
        when = ("too", "only") if evidence.restored else ("no", "too")
        return self.restored in when and (evidence.final or not self.final) and (evidence.calm or not self.calm)


_LIST = (
    Check(
        "within-what-was-paid",
        "I01",
        "no order gives back more than was paid, ever",
        money.within_what_was_paid,
        restored="too",
    ),
    Check(
        "ended-cases-money", "I01", "a completed case gave back its amount, an undone one nothing", money.ended_cases
    ),
    Check(
        "nothing-kept",
        "I01",
        "of what was paid only the price of goods is kept",
        kept.nothing_kept,
        final=True,
        restored="too",
    ),
    Check(
        "one-refund-at-a-time", "I02", "one effective refund or transfer per case, numbered well", money.one_at_a_time
    ),
    Check("money-for-a-reason", "I03", "no money without a case, no word about money without it", money.for_a_reason),
    Check(
        "stock-balances",
        "I04",
        "every piece is available, reserved or sold, as the ledger says",
        stock.balances,
        restored="too",
    ),
    Check("stock-movements", "I04", "each piece moves once and is in one place", stock.movements, restored="too"),
    Check("stock-words", "I04", "what inventory says has happened in its ledger", stock.words),
    Check("stock-of-orders", "I04", "stock is where the orders say", stock.orders, final=True),
    Check("as-counted", "I04", "good pieces of a parcel come back", promises.as_counted, final=True),
    Check("exchanged-pieces", "I04", "after an exchange both goods' pieces add up", exchanges.pieces_add_up),
    Check("exchanges-ended", "I04", "an exchange ends as its stock did", exchanges.ended_alike, final=True),
    Check("versions", "I05", "versions count saves, what is unsaid was decided", records.versions, restored="too"),
    Check("legal-lives", "I05", "orders and payments live as they may, and ends are ends", lives.legal_lives),
    Check(
        "somebody-goes-on",
        "I06",
        "what has not ended has a timer, work to do, or a person",
        lives.somebody_goes_on,
        restored="too",
    ),
    Check(
        "everything-ended",
        "I06",
        "everything has ended or lies with a person",
        lives.everything_ended,
        final=True,
        restored="too",
    ),
    Check("payments-known", "I06", "who has paid is known to have paid", lives.payments_known, final=True),
    Check("refunds-known", "I06", "an order knows what was paid back by hand", lives.refunds_known, final=True),
    Check("wishes-kept", "I06", "what was promised to a person was done", lives.wishes_kept),
    Check("answers-kept", "I06", "what was answered to be done was done", promises.answers_kept, final=True),
    Check("as-ordered", "I06", "who orders gets and pays just that", promises.as_ordered),
    Check("placed-once", "I06", "there are no more orders than were asked for", promises.placed_once, final=True),
    Check(
        "waited-too-long",
        "I06",
        "a person looks at money that takes days",
        overdue.waited_too_long,
        final=True,
        restored="too",
    ),
    Check("ends-unpaid", "I06", "who does not pay in time keeps no goods", overdue.ends_unpaid, final=True),
    Check("told-to-wechat", "I06", "WeChat knows which parcels have left", overdue.told_to_wechat, final=True),
    Check(
        "shown-to-a-person",
        "I06",
        "a person sees what could not be done",
        promises.shown_to_a_person,
        final=True,
    ),
    Check("told-once", "I07", "one message per outcome of a case, one more only where nobody knew", notices.told_once),
    Check("told-in-one-go", "I07", "without faults one message tells each outcome", notices.in_one_go, calm=True),
    Check("told-the-truth", "I07", "customers hear what is true and was asked for", notices.told_the_truth),
    Check(
        "told-the-right-one",
        "I07",
        "a message reaches the one who placed the order",
        addressed.right_one,
        restored="too",
    ),
    Check("told-true-amounts", "I07", "the amount that customers read is the true one", addressed.true_amounts),
    Check("one-end", "I07", "no case tells two ends", notices.one_end),
    Check("everybody-told", "I07", "everybody was told how it ended", notices.everybody_told, final=True),
    Check("announced", "I07", "whose order the shop cancels is told first", promises.announced, final=True),
    Check(
        "everything-sent", "I08", "what was said is in the topics", messages.everything_sent, final=True, restored="too"
    ),
    Check("nothing-invented", "I08", "what is in the topics was said", messages.nothing_invented),
    Check("in-order", "I08", "without faults, in the order of decisions", messages.in_order, calm=True),
    Check("facts", "I11", "analytics keeps what the events tell, no more and no less", figures.facts),
    Check("products", "I11", "the products shown are the newest read", figures.products),
    Check("undone-cases", "I12", "an undone case leaves nothing behind", stock.undone_cases),
    Check("nothing-passed-over", "I13", "what was read was heard, answered or buried", hearing.nothing_passed_over),
    Check("foreign-buried", "I13", "what nobody can read is in the dead letters", hearing.foreign_buried),
    Check("buried-rightly", "I13", "dead letters are true, and none is of our own making", hearing.buried_rightly),
    Check("repeats-change-nothing", "I14", "a repeat changes nothing", hearing.repeats_change_nothing),
    Check("whole-fen", "I15", "amounts are whole fen and shares add up", money.whole_fen),
    Check("fair-shares", "I15", "pieces give back their share of the price", kept.fair_shares, restored="too"),
    Check(
        "nothing-personal",
        "I16",
        "no personal data and no secret where it does not belong",
        privacy.nothing_personal,
        restored="too",
    ),
    Check("hidden-as-wished", "I06", "what customers hide is hidden, and nothing else", taken_away.hidden_as_wished),
    Check("erased-not-needed", "I06", "nothing erased is needed by an open case", taken_away.not_needed),
    Check("erased-forgotten", "I16", "nothing says whose an erased order was", taken_away.forgotten, final=True),
    Check("bounded", "I17", "journals and memory stay bounded", records.bounded, restored="too"),
    Check(
        "nothing-left-over",
        "I17",
        "nothing is left to be said or done",
        records.nothing_left_over,
        final=True,
        restored="too",
    ),
    Check("told-is-known", "I18", "what was told gives what is known", records.told_is_known),
    Check("before-it-begins", "I19", "no money before approval, none after a withdrawal", rights.before_it_begins),
    Check("with-the-right", "I20", "nobody got what they have no right to", door.with_the_right, restored="too"),
    Check("in-the-trail", "I21", "what the staff did is in the audit trail, nothing else is", door.in_the_trail),
    Check("no-secret-kept", "I16", "no password and no token is stored", door.keeps_no_secret, restored="too"),
    Check("sessions-end", "I22", "a refresh token works once, an ended session never", door.sessions_end),
    Check(
        "with-a-code", "I23", "what needs a code was done with the one sent for it", confirmed.with_a_code, final=True
    ),
    Check("rated-when-over", "I24", "only ended cases are rated, once", afterwards.rated_when_over),
    Check("saved-once", "I25", "a saved order counts once", afterwards.saved_once),
    Check("sent-when-wanted", "I25", "no parcel leaves before its day", promises.sent_when_wanted, final=True),
    Check("many-as-told", "I27", "a command for many tasks did what it says it did", afterwards.many_as_told),
    Check("seen-as-it-was", "I26", "who watches sees an order go forward", afterwards.seen_as_it_was),
    Check("money-is-matched", "I19", "no goods while a refund by hand is unexplained", rights.money_is_matched),
    Check("goods-before-money", "I19", "no money for a parcel that is not back", rights.goods_before_money),
    Check("nothing-twice", "I28", "after a restore nothing is paid twice", restored.nothing_twice, restored="only"),
    Check(
        "known-again",
        "I28",
        "refunds since the backup are known again",
        restored.known_again,
        final=True,
        restored="only",
    ),
    Check(
        "payments-known-again",
        "I28",
        "payments since the backup are known again",
        restored.payments_known_again,
        final=True,
        restored="only",
    ),
    Check(
        "truly-completed",
        "I28",
        "completed cases have given back",
        restored.truly_completed,
        final=True,
        restored="only",
    ),
    Check(
        "books-compared",
        "I28",
        "every day since the backup is compared",
        restored.books_compared,
        final=True,
        restored="only",
    ),
    Check("books-agree", "I29", "the books agree with whole bills", books.agree, final=True),
    Check("found-by-hand", "I29", "compared bills show refunds by hand", books.found_by_hand, final=True),
    Check("every-night", "I29", "each night the day's bills are looked at", books.every_night, final=True),
    Check("closed-as-wished", "I29", "what a person closed stays closed", books.closed_as_wished, final=True),
    Check("rules-kept", "I19", "who has to wait for what follows from the rules", rights.rules_kept, calm=True),
)
CHECKS: Mapping[str, Check] = {check.name: check for check in _LIST}


def judge(evidence: Evidence) -> list[Violation]:
    """Everything that is wrong, by every check that may be asked of this evidence."""
    reading = Reading(evidence)
    return [violation for check in CHECKS.values() if check.fits(evidence) for violation in check.find(reading)]
