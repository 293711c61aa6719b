"""Reasons as data: what may be given, what is refused and how, and that old cases keep their words."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from chassis.record import Refusal
from contracts.order import CancellationNotAccepted, CancelOrder, WishedReason
from services.order import cancelling_api
from services.order.cancellation import Cancellation
from services.order.policies import Policy, ReadyToCancel, Rule
from services.order.policybook import PolicyBook
from services.order.preview import PastCases
from services.order.problems import problem_of
from services.order.reason import BUILT_IN, ReasonEntry, ReasonList, offered, unsendable
from services.order.reason_api import reason_routes
from services.order.reasonbook import ReasonBook
from services.order.story import customers_case
from services.order.words import reason_in_words
from tests.unit.order.desk import Desk
from tests.unit.order.roads import choose
from tests.unit.order.told import ANYTHING_GOES, ID, STAFF, held, kept, paid_order, told
from tests.unit.order.told import refused as undone

BOSS: dict[str, Any] = {"by": {"kind": "staff", "id": "s1", "role": "supervisor"}, "note": "spring"}
SMELL = ReasonEntry(
    family="merchant",
    code="smell",
    zh="商品有异味",
    en="it smells",
    solution_zh="款项原路退回,商品无需寄回。",
    solution_en="The money comes back, keep the goods.",
    counts_as="quality",
)
RETIRED = ReasonEntry(
    family="customer", code="found-better", zh="有更好的", en="better", retired=True, use="changed-mind"
)
SPRING = ReasonList(
    version=1,
    reasons=(*(RETIRED if one.code == "found-better" else one for one in BUILT_IN.reasons), SMELL),
)


def wish(
    family: Any = "merchant",
    code: str = "smell",
    remark: str = "",
    *,
    solution: str = "",
    request: str = "r1",
    reasons: ReasonList = SPRING,
    policy: Policy = ANYTHING_GOES,
) -> ReadyToCancel:
    asked = CancelOrder(
        order_id=ID,
        request_id=request,
        fingerprint="f",
        reason=WishedReason(family=family, code=code, remark=remark),
        by=STAFF,
        solution=solution,
    )
    return ReadyToCancel(order_id=ID, asked=asked, policy=policy, reasons=reasons)


def refused(**wished: Any) -> CancellationNotAccepted:
    told = paid_order()
    with pytest.raises(Refusal) as found:
        told.hears(wish(**wished))
    assert told.order.cases == ()
    event = found.value.event
    assert isinstance(event, CancellationNotAccepted)
    return event


# ── what a case keeps ────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_case_keeps_code_version_and_words_and_counts_as_an_old_one() -> None:
    case = paid_order().hears(wish()).order.cases[0]
    assert (case.reason.word, case.reason.version, case.reason.code) == ("smell", 1, "quality")
    assert customers_case(paid_order().hears(wish()).order, case)["reason"]["in_words"]["zh"] == "商品有异味"


def test_a_code_of_the_closed_list_has_no_second_word() -> None:
    reason = paid_order().hears(wish("customer", "changed-mind")).order.cases[0].reason
    assert (reason.code, reason.word, reason.version) == ("changed-mind", "", 1)


def test_old_cases_have_the_built_in_words() -> None:
    case = paid_order().hears(wish()).order.cases[0].model_copy(update={"words": None})
    assert reason_in_words(case.reason, "en", case.words) == "quality problem"


def test_a_repeat_meets_its_case_whatever_the_list_says_by_now() -> None:
    told = paid_order().hears(wish("customer", "found-better", reasons=BUILT_IN))
    told.hears(wish("customer", "found-better", reasons=SPRING))
    assert told.last == ["cancellation-accepted"]
    assert len(told.order.cases) == 1


def test_cancelled_once_more_by_a_transfer_it_keeps_the_words_and_what_the_shop_said_it_does() -> None:
    told_why = paid_order().hears(wish(solution="送您一张优惠券。"), held(), undone(), kept(), told("refund-failed"))
    choose(told_why, "cancel-by-transfer")
    first, second = told_why.order.cases
    assert reason_in_words(second.reason, "zh", second.words) == "商品有异味"
    assert Cancellation.of(told_why.order, second).solution == Cancellation.of(told_why.order, first).solution


def test_policies_may_name_the_shops_own_codes() -> None:
    asks = Rule(name="smells", way="approve", codes=("smell",), states=("paid",), approve_by=("finance",))
    policy = Policy(version=4, rules=(asks, Rule(name="rest", way="allow")))
    assert paid_order().hears(wish(policy=policy)).order.cases[0].waits


# ── what is refused ──────────────────────────────────────────────────────────────────────────────────────────────────
def test_a_retired_code_is_refused_and_names_what_to_use() -> None:
    event = refused(family="customer", code="found-better")
    assert (event.because, event.use) == ("reason-retired", "changed-mind")
    problem = problem_of(event)
    assert (problem.status, problem.code, problem.more["use"]) == (422, "reason-retired", "changed-mind")
    assert "不想要了" in problem.zh
    assert "changed my mind" in problem.en


@pytest.mark.parametrize(("family", "code"), [("customer", "smell"), ("merchant", "changed-mind"), ("system", "$gt")])
def test_a_code_that_is_not_in_the_family_is_refused(family: str, code: str) -> None:
    assert refused(family=family, code=code).because == "unknown-reason"


@pytest.mark.parametrize("family", ["customer", "merchant", "system"])
@pytest.mark.parametrize("remark", ["", "  \n"])
def test_other_needs_a_text(family: str, remark: str) -> None:
    assert refused(family=family, code="other", remark=remark).reason == "remark-required"
    assert paid_order().hears(wish(family, "other", "so")).order.cases[0].reason.remark == "so"


def test_any_reason_may_need_a_text_and_is_not_called_other_then() -> None:
    smell = SMELL.model_copy(update={"text_required": True})
    reasons = ReasonList(version=1, reasons=(*BUILT_IN.reasons, smell))
    said = problem_of(refused(reasons=reasons))
    assert said.code == "remark-required"
    assert "其他" not in said.zh
    assert "other" not in said.en


@pytest.mark.parametrize(
    "text", ["see https://a.example", "www.shop", "去 shop.com 看", "a\nb", "好😀", "x" * 101, "\u202ex"]
)
def test_a_solution_that_providers_refuse_is_refused_here(text: str) -> None:
    assert refused(solution=text).because == "solution-refused"
    assert len(text) > 100 or unsendable(text)


def test_the_list_itself_takes_no_such_words() -> None:
    with pytest.raises(ValidationError):
        ReasonEntry(**{**SMELL.model_dump(), "solution_zh": "见 www.shop.cn"})


# ── what the customer is told ────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    ("own", "said"), [("", "款项原路退回,商品无需寄回。"), ("另补发一份小礼物。", "另补发一份小礼物。")]
)
def test_the_notice_has_an_apology_and_the_solution(own: str, said: str) -> None:
    told = paid_order().hears(wish(solution=own))
    case = told.order.cases[0]
    known = Cancellation.of(told.order, case)
    assert (known.reason, known.solution) == ("商品有异味", f"非常抱歉给您带来不便,{said}")


# ── a list as a whole ────────────────────────────────────────────────────────────────────────────────────────────────
@pytest.mark.parametrize(
    "reasons",
    [
        (*BUILT_IN.reasons, BUILT_IN.reasons[0]),
        tuple(one for one in BUILT_IN.reasons if one.family != "system"),
        (*BUILT_IN.reasons, RETIRED.model_copy(update={"code": "old", "use": "nowhere"})),
        (*BUILT_IN.reasons, RETIRED.model_copy(update={"code": "old", "use": "old"})),
    ],
    ids=["twice", "no family", "retired for nothing", "retired for itself"],
)
def test_a_list_that_cannot_be_used_is_no_list(reasons: tuple[ReasonEntry, ...]) -> None:
    with pytest.raises(ValidationError):
        ReasonList(version=1, reasons=reasons)


@pytest.mark.parametrize(
    "change", [{"retired": True}, {"use": "fault"}, {"solution_en": " "}, {"zh": ""}, {"code": "A"}, {"family": "x"}]
)
def test_a_reason_that_is_not_whole_is_no_reason(change: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        ReasonEntry(**{**SMELL.model_dump(), **change})


def test_customers_are_offered_their_family_without_what_is_retired() -> None:
    given = offered(SPRING, "customer")
    assert given["version"] == 1
    assert "found-better" not in [one["code"] for one in given["reasons"]]
    assert given["reasons"][-1] == {"code": "other", "zh": "其他原因", "en": "other reason", "text_required": True}


# ── versions ─────────────────────────────────────────────────────────────────────────────────────────────────────────
def book(desk: Desk) -> ReasonBook:
    return ReasonBook(desk.database.collection("reasons"))  # type: ignore[arg-type]  # its twin in memory


def body(reasons: ReasonList = SPRING, instead_of: int = 0, **more: Any) -> dict[str, Any]:
    listed = [one.model_dump(mode="json") for one in reasons.reasons]
    return {"reasons": listed, "instead_of": instead_of, **BOSS, **more}


async def test_a_version_is_published_once_and_the_newest_counts() -> None:
    desk = Desk()
    desk.opens(reason_routes(desk.engine, book(desk)))
    assert (await desk.http.get("/reasons")).json()["version"] == 0
    for _ in range(2):
        answer = await desk.http.post("/reasons", json=body())
        assert (answer.status_code, answer.json()) == (201, {"version": 1})
    listed = (await desk.http.get("/reasons")).json()
    assert [one["version"] for one in listed["versions"]] == [1, 0]
    assert ReasonList(version=listed["version"], reasons=listed["reasons"]) == SPRING
    assert (await desk.http.get("/reasons?family=customer")).json() == offered(SPRING, "customer")
    old = (await desk.http.get("/reasons/0")).json()
    assert ReasonList.model_validate(old) == BUILT_IN
    assert (await book(desk).newest()) == SPRING, "another process reads the same"


async def test_of_two_who_publish_at_once_one_is_told() -> None:
    desk = Desk()
    desk.opens(reason_routes(desk.engine, book(desk)))
    await desk.http.post("/reasons", json=body())
    other = ReasonList(version=1, reasons=(*SPRING.reasons, SMELL.model_copy(update={"code": "colour"})))
    answer = await desk.http.post("/reasons", json=body(other))
    assert (answer.status_code, answer.json()["code"], answer.json()["active"]) == (409, "reasons-changed", 1)
    assert (await desk.http.get("/reasons/1")).json()["reasons"] == body()["reasons"]
    assert (await desk.http.post("/reasons", json=body(other, 1))).json() == {"version": 2}


async def test_a_version_that_is_not_there_and_a_code_that_was_forgotten() -> None:
    desk = Desk()
    desk.opens(reason_routes(desk.engine, book(desk)))
    assert (await desk.http.get("/reasons/7")).json()["code"] == "unknown-reasons"
    assert (await desk.http.post("/reasons", json=body(instead_of=7))).json()["code"] == "unknown-reasons"
    short = ReasonList(version=1, reasons=tuple(one for one in BUILT_IN.reasons if one.code != "wrong-item"))
    answer = (await desk.http.post("/reasons", json=body(short))).json()
    assert (answer["code"], answer["about"]) == ("reasons-forgotten", "customer/wrong-item")
    broken = (await desk.http.post("/reasons", json=body() | {"reasons": body()["reasons"][:1]})).json()
    assert broken["code"] == "invalid-request"


async def test_a_policy_names_no_reason_that_is_in_no_list() -> None:
    desk = Desk()
    policies = PolicyBook(desk.database.collection("policies"), book(desk))  # type: ignore[arg-type]
    desk.opens(
        cancelling_api.routes(desk.engine, policies, PastCases(desk.orders)), reason_routes(desk.engine, book(desk))
    )
    smells = {"name": "smells", "way": "allow", "codes": ["smell", "quality"]}
    wanted = {"rules": [smells, {"name": "rest", "way": "allow"}], **BOSS}
    answer = await desk.http.post("/policies", json=wanted)
    assert (answer.status_code, answer.json()["code"]) == (422, "reason-not-listed")
    assert answer.json()["about"] == "smells: smell", "the closed list and the built-in ones are known"
    assert [one["version"] for one in (await desk.http.get("/policies")).json()["versions"]] == [0]
    assert (await desk.http.post("/reasons", json=body())).status_code == 201
    assert (await desk.http.post("/policies", json=wanted)).status_code == 201
