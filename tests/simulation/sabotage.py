"""Guards switched off from outside: for each of them the judge must see, within a few worlds, what it protects from. A
suite that stays green without a guard does not test it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tests.simulation.lost_plans import plan_with_a_loss
from tests.simulation.plan import Plan
from tests.simulation.runner import Ready, Workers
from tests.simulation.sabotages import switches, switches_door, tilts, tilts_door
from tests.simulation.world import Outcome

FIRST_SEED = 1
SEEDS_MAX = 30


@dataclass(frozen=True, slots=True)
class Guard:
    """One line of defence. `protects`: from what, in one sentence; `off` takes it out of the code of this process;
    `plan`: the world of a seed in which it is needed."""

    name: str
    protects: str
    off: Callable[[], None]
    plan: Callable[[int], Plan]


_LIST = (
    Guard(
        "deduplication",
        "what was heard before is decided once more when a topic, a callback or a timer repeats it",
        switches.deduplication,
        tilts.repeats,
    ),
    Guard(
        "version-check",
        "of two processes that decide about one record at once, one overwrites what the other has decided",
        switches.version_check,
        tilts.races,
    ),
    Guard(
        "fixed-refund-number",
        "a refund whose outcome nobody knows is sent again under another number, and paid twice",
        switches.fixed_refund_number,
        tilts.unknown_refunds,
    ),
    Guard("outbox", "what was decided and not yet said is lost with the process", switches.outbox, tilts.crashes),
    Guard(
        "commit-after-publish",
        "what a process had in hand when it died is passed over",
        switches.commit_after_publish,
        tilts.crashes_with_messages_in_hand,
    ),
    Guard(
        "dead-letters",
        "a record that nobody can read is passed over, and nobody ever learns of it",
        switches.dead_letters,
        tilts.spoiled_topics,
    ),
    Guard(
        "undo-before-original",
        "an undo overtakes its original, and the original is granted afterwards",
        switches.undo_first,
        tilts.overtaking,
    ),
    Guard(
        "ask-again",
        "a command or an answer is lost where no outbox helps, and everybody waits for ever",
        switches.asking_again,
        tilts.losses,
    ),
    Guard(
        "query-before-resend",
        "a refund that was taken counts as refused because its number, sent again, is refused; two looks stand against"
        " that, one before a number is sent again and one after the provider has said no, and both are off: the first"
        " alone is covered by the second, and by the fixed number as long as the provider keeps its promise",
        switches.asking_the_provider,
        tilts.refused_repeats,
    ),
    Guard(
        "paid-in-time",
        "an order whose payment was on its way when its time was over is cancelled, and its money sent back",
        switches.paid_in_time,
        tilts.last_moments,
    ),
    Guard(
        "wishes-are-kept",
        "who cancels an order that ends unpaid is told that it is being cancelled; it turns out to be paid, and is not",
        switches.wishes_kept,
        tilts.last_wishes,
    ),
    Guard(
        "movement-id",
        "a stock movement whose outcome nobody knows is made again, and counted twice",
        switches.movement_id,
        tilts.unanswered_stock,
    ),
    Guard(
        "exchange-shuts-out",
        "while goods are exchanged a case counts by lines that are about to change, or the parcel leaves meanwhile",
        switches.exchange_shuts_out,
        tilts.exchanges,
    ),
    Guard(
        "callback-verification",
        "whoever can reach the gateway and has the merchant's APIv3 key says that orders are paid",
        switches.callback_verification,
        tilts.forgeries,
    ),
    Guard(
        "waits-for-the-bills",
        "after a restore goods are paid for a second time, whose refund only the provider remembers",
        switches.waiting_for_the_bills,
        plan_with_a_loss,
    ),
    Guard(
        "table-of-rights",
        "whoever has signed in may do everything at the staff's door and at the customers'",
        switches_door.table_of_rights,
        tilts_door.overreaching,
    ),
    Guard(
        "own-orders",
        "a customer who knows the number of another one's order sees it and cancels it",
        switches_door.own_orders,
        tilts_door.overreaching,
    ),
    Guard(
        "audit-trail",
        "what the staff do is written down nowhere",
        switches_door.audit_trail,
        tilts_door.overreaching,
    ),
    Guard(
        "confirmation-codes",
        "any six digits erase an order",
        switches_door.confirmation_codes,
        tilts_door.wrong_codes,
    ),
    Guard(
        "refresh-once",
        "whoever has copied a refresh token stays signed in beside its owner",
        switches_door.refresh_once,
        tilts_door.copied_tokens,
    ),
    Guard(
        "rated-when-over",
        "a cancellation is rated while it is under way, and again and again",
        switches_door.rated_when_over,
        tilts_door.ratings,
    ),
    Guard(
        "rules-of-deleting",
        "an order is erased while somebody still needs it",
        switches_door.rules_of_deleting,
        tilts_door.erasing,
    ),
)
GUARDS: Mapping[str, Guard] = {guard.name: guard for guard in _LIST}


def switch_off(guard: str, world: Any) -> None:
    """Switch a guard off in this process, for good. `world` is the one that will run in it."""
    GUARDS[guard].off()


def caught(
    ready: Ready, guard: Guard, seeds_max: int = SEEDS_MAX, first: int = FIRST_SEED
) -> tuple[int, Outcome] | None:
    """How many seeds it takes until the judge sees a violation that is not there with the guard, and that world. None:
    it was not missed. A world that does not end without its guard shows no more than that, and does not count."""
    worker = Workers(ready, 1)
    for needed, seed in enumerate(range(first, first + seeds_max), 1):
        plan = guard.plan(seed)
        outcome = worker.one((plan, (guard.name,)))
        if outcome.violations and worker.one((plan, ())).good:
            return needed, outcome
    return None


def show(ready: Ready, guards: Iterable[Guard] = _LIST, seeds_max: int = SEEDS_MAX) -> bool:
    """Print which guards are missed when they are off: after how many seeds, by which invariant, and one example.
    Whether all are."""
    missed = True
    print(f"{'guard':<22} {'seeds':>5} {'seed':>5}  invariants            for example")
    for guard in guards:
        found = caught(ready, guard, seeds_max)
        if found is None:
            missed = False
            print(f"{guard.name:<22} NOT MISSED in {seeds_max} seeds: {guard.protects}", flush=True)
            continue
        needed, outcome = found
        invariants = " ".join(sorted({one.invariant for one in outcome.violations}))
        print(f"{guard.name:<22} {needed:>5} {outcome.seed:>5}  {invariants:<20}  {outcome.violations[0]}", flush=True)
    return missed
