"""Why an order is cancelled: the shop's list of reasons as data, in three families. Pure.

A version never changes once it is published. A code that an older version had stays in the list, retired: new wishes
are told what to use instead, old cases go on showing it in the words they were opened with."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Annotated, Any, get_args

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from contracts.order import REASON_PATTERN, CancelOrder, Reason, ReasonCode, ReasonFamily, WishedReason

REASONS_MAX = 200
SOLUTION_MAX = 100
"""Characters. Longer values than a small field of WeChat (20) or a short message (35) takes are shortened there; the
inbox shows all of it."""

_ADDRESS = re.compile(r"://|\bwww\.|[a-z0-9-]\.(?:com|cn|net|org|top|xyz|shop|info|vip|me|cc|io)\b", re.IGNORECASE)
_LAST_PLAIN = 0xFFFF


def unsendable(text: str) -> str:
    """What of `text` a provider would refuse in a message, or nothing: addresses of pages (Tencent Cloud:
    InvalidParameterValue.ProhibitedUseUrlInTemplateParameter), line breaks, control characters, emoji."""
    found = _ADDRESS.search(text)
    if found is not None:
        return found[0]
    return next((f"U+{ord(one):04X}" for one in text if not one.isprintable() or ord(one) > _LAST_PLAIN), "")


def _sendable(text: str) -> str:
    refused = unsendable(text)
    if refused:
        raise ValueError(f"providers refuse {refused!r} in a message: no addresses, line breaks, emoji")
    return text.strip()


_Name = Annotated[str, Field(min_length=1, max_length=30), AfterValidator(_sendable)]
_Solution = Annotated[str, Field(max_length=SOLUTION_MAX), AfterValidator(_sendable)]
_Word = Annotated[str, Field(pattern=REASON_PATTERN)]


class ReasonEntry(BaseModel):
    """One reason. `counts_as`: under which code of the closed list readers count it who know no others; a code of that
    list counts as itself. `text_required`: it needs a remark. `retired`: no new wish may give it, but `use`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    family: ReasonFamily
    code: _Word
    zh: _Name
    en: _Name
    solution_zh: _Solution = ""
    solution_en: _Solution = ""
    text_required: bool = False
    retired: bool = False
    use: Annotated[str, Field(pattern=rf"{REASON_PATTERN}|^$")] = ""
    counts_as: ReasonCode = "other"

    @model_validator(mode="before")
    @classmethod
    def _counts_as_itself(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.get("code") in get_args(ReasonCode):
            return {**given, "counts_as": given["code"]}
        return given

    @model_validator(mode="after")
    def _is_whole(self) -> ReasonEntry:
        if self.family != "customer" and not (self.solution_zh.strip() and self.solution_en.strip()):
            raise ValueError(f"{self.code}: say what the shop does about it, `solution_zh` and `solution_en`")
        if self.retired != bool(self.use):
            raise ValueError(f"{self.code}: `use` belongs to a retired reason, and names what to take instead")
        return self


class ReasonWords(BaseModel):
    """How a reason read when its case was opened."""

    model_config = ConfigDict(frozen=True)

    zh: str
    en: str
    solution_zh: str = ""
    solution_en: str = ""


class ReasonList(BaseModel):
    """One version. Version 0 is built in. Raises ValueError for a code that is there twice in a family, a family
    without a reason that can be given, or a retired code that leads to none."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: int = Field(ge=0)
    reasons: tuple[ReasonEntry, ...] = Field(min_length=1, max_length=REASONS_MAX)

    @model_validator(mode="after")
    def _can_be_used(self) -> ReasonList:
        codes = [(entry.family, entry.code) for entry in self.reasons]
        if twice := sorted({code for code in codes if codes.count(code) > 1}):
            raise ValueError(f"{twice[0][1]} is there twice in the family {twice[0][0]}")
        given = {(entry.family, entry.code) for entry in self.reasons if not entry.retired}
        for family in get_args(ReasonFamily):
            if not any(one == family for one, _ in given):
                raise ValueError(f"the family {family} has no reason that can be given")
        for entry in self.reasons:
            if entry.retired and (entry.family, entry.use) not in given:
                raise ValueError(f"{entry.code} is retired for {entry.use}, which cannot be given in {entry.family}")
        return self

    def entry(self, family: str, code: str) -> ReasonEntry | None:
        """The reason of that code."""
        return next((one for one in self.reasons if (one.family, one.code) == (family, code)), None)

    def forgotten(self, before: ReasonList) -> list[str]:
        """What `before` had and this version neither has nor retires: `family/code`."""
        return [f"{one.family}/{one.code}" for one in before.reasons if self.entry(one.family, one.code) is None]


class Chosen(BaseModel):
    """A reason as a case keeps it: what it is, how it reads, and what the shop does about it (empty: what the reason
    says)."""

    model_config = ConfigDict(frozen=True)

    reason: Reason
    words: ReasonWords
    solution: str = ""


class NotGiven(Exception):
    """This reason cannot be given. `about`: fields of `CancellationNotAccepted`."""

    def __init__(self, reason: str, **about: str) -> None:
        super().__init__(reason)
        self.about = {"reason": reason, **about}


def chosen(asked: CancelOrder, reasons: ReasonList) -> Chosen:
    """The reason of this wish, by the list that is valid now. Raises NotGiven."""
    wished = asked.reason
    entry = reasons.entry(wished.family, wished.code)
    if entry is None:
        raise _unknown(wished, reasons)
    if entry.retired:
        raise _retired(entry, reasons)
    if entry.text_required and not wished.remark.strip():
        raise NotGiven("remark-required")
    solution = asked.solution.strip()
    if len(solution) > SOLUTION_MAX or unsendable(solution):
        raise _refused(unsendable(solution) or f"{len(solution)}")
    return Chosen(
        reason=Reason(
            family=wished.family,
            code=entry.counts_as,
            remark=wished.remark,
            word="" if entry.code == entry.counts_as else entry.code,
            version=reasons.version,
        ),
        words=ReasonWords.model_validate(entry, from_attributes=True),
        solution=solution,
    )


def _unknown(wished: WishedReason, reasons: ReasonList) -> NotGiven:
    known = [one.code for one in reasons.reasons if one.family == wished.family and not one.retired]
    return NotGiven(
        "policy-denied",
        because="unknown-reason",
        detail=f"{wished.family}/{wished.code}; {', '.join(known)}"[:500],
        zh=f"没有“{wished.code}”这个取消原因,请从原因列表中选择。",
        en=f"There is no reason {wished.code!r}. Choose one of the list of reasons.",
    )


def _retired(entry: ReasonEntry, reasons: ReasonList) -> NotGiven:
    use = reasons.entry(entry.family, entry.use)
    assert use is not None, "a list is checked when it is made"
    return NotGiven(
        "policy-denied",
        because="reason-retired",
        use=use.code,
        zh=f"“{entry.zh}”已停用,请改选“{use.zh}”({use.code})。",
        en=f"The reason “{entry.en}” is not used any more. Choose “{use.en}” ({use.code}).",
    )


def _refused(what: str) -> NotGiven:
    return NotGiven(
        "policy-denied",
        because="solution-refused",
        detail=what,
        zh=f"解决方案最多 {SOLUTION_MAX} 个字,不能含网址、换行或表情符号,否则短信与微信会拒收。",
        en=f"A solution has at most {SOLUTION_MAX} characters and no address, line break or emoji: providers refuse "
        "them.",
    )


def offered(reasons: ReasonList, family: str) -> dict[str, Any]:
    """What may be given now, in the list's order: `{"version", "reasons": [{"code", "zh", "en", "text_required"}]}`."""
    shown = {"code", "zh", "en", "text_required"}
    given: Iterable[ReasonEntry] = (one for one in reasons.reasons if one.family == family and not one.retired)
    return {"version": reasons.version, "reasons": [one.model_dump(include=shown) for one in given]}


def _entry(
    family: ReasonFamily, code: ReasonCode, zh: str, en: str, sol: tuple[str, str] = ("", ""), *, text: bool = False
) -> ReasonEntry:
    return ReasonEntry(
        family=family, code=code, zh=zh, en=en, solution_zh=sol[0], solution_en=sol[1], text_required=text
    )


_BACK = ("款项按原路退回。", "The money goes back the way it came.")
_BY_ITSELF = ("系统为您办理退款。", "The system refunds you by itself.")

# fmt: off
BUILT_IN = ReasonList(version=0, reasons=(
    _entry("customer", "changed-mind", "不想要了", "changed my mind"),
    _entry("customer", "wrong-item",   "拍错商品", "wrong item"),
    _entry("customer", "found-better", "找到更合适的商品", "found something better"),
    _entry("customer", "quality",      "商品质量问题", "quality problem"),
    _entry("customer", "delivery",     "无法按时配送", "cannot be delivered in time"),
    _entry("customer", "duplicate",    "重复下单", "duplicate order"),
    _entry("customer", "other",        "其他原因", "other reason", text=True),
    _entry("merchant", "out-of-stock", "商品缺货", "out of stock", _BACK),
    _entry("merchant", "quality",      "商品质量问题", "quality problem", _BACK),
    _entry("merchant", "delivery",     "无法按时配送", "cannot be delivered in time", _BACK),
    _entry("merchant", "other",        "其他原因", "other reason", _BACK, text=True),
    _entry("system",   "fault",        "系统故障", "system fault", _BY_ITSELF),
    _entry("system",   "duplicate",    "重复下单", "duplicate order", _BY_ITSELF),
    _entry("system",   "other",        "其他原因", "other reason", _BY_ITSELF, text=True),
))
# fmt: on
