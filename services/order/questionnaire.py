"""What customers are asked after a cancellation has ended, and what they answered. Pure.

A questionnaire is never changed once it was shown: a new version is appended, and answers to an older one are still
taken, because a page may have been open for hours."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import AwareDatetime, BaseModel, ConfigDict


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True)


class Rating(_Part):
    """What a customer said about a case that had ended so. `remark`: the customer's own words, which stay with the
    order."""

    questionnaire: int
    stars: int
    answers: dict[str, str] = {}
    remark: str = ""
    outcome: Literal["completed", "undone"]
    rated_at: AwareDatetime


class Choice(_Part):
    """One answer: its word in messages and figures, and how it reads."""

    word: str
    zh: str
    en: str


class Question(_Part):
    """A question that may be left unanswered."""

    word: str
    zh: str
    en: str
    choices: tuple[Choice, ...]


class Questionnaire(_Part):
    """All questions of one version."""

    version: int
    questions: tuple[Question, ...]

    def unknown(self, answers: Mapping[str, str]) -> str:
        """The first answer that this version does not have, as `question: answer`; empty when it has all."""
        known = {question.word: {choice.word for choice in question.choices} for question in self.questions}
        for question, answer in answers.items():
            if answer not in known.get(question, ()):
                return f"{question}: {answer}"
        return ""


_YES_OR_NO = (Choice(word="yes", zh="是", en="Yes"), Choice(word="no", zh="否", en="No"))

QUESTIONNAIRES: tuple[Questionnaire, ...] = (
    Questionnaire(
        version=1,
        questions=(
            Question(
                word="understood",
                zh="取消前,您清楚会退多少钱、多久到账吗?",
                en="Before you cancelled, was it clear how much comes back and when?",
                choices=_YES_OR_NO,
            ),
            Question(
                word="speed",
                zh="退款到账的速度如何?",
                en="How fast was the refund?",
                choices=(
                    Choice(word="faster", zh="比预期快", en="Faster than expected"),
                    Choice(word="expected", zh="符合预期", en="As expected"),
                    Choice(word="slower", zh="比预期慢", en="Slower than expected"),
                    Choice(word="none", zh="没有退款", en="There was no refund"),
                ),
            ),
            Question(
                word="kept",
                zh="什么能让您保留订单?",
                en="What would have made you keep the order?",
                choices=(
                    Choice(word="nothing", zh="没有", en="Nothing"),
                    Choice(word="later", zh="晚些送达", en="A later delivery"),
                    Choice(word="sooner", zh="更快送达", en="A sooner delivery"),
                    Choice(word="other-goods", zh="换一件商品", en="Other goods"),
                    Choice(word="price", zh="更低的价格", en="A lower price"),
                ),
            ),
            Question(word="again", zh="您还会在本店购买吗?", en="Will you buy here again?", choices=_YES_OR_NO),
        ),
    ),
)


def questionnaire(version: int) -> Questionnaire | None:
    """The questionnaire of that version."""
    return next((known for known in QUESTIONNAIRES if known.version == version), None)


def questionnaire_view() -> dict[str, Any]:
    """The newest one, as a customer's page shows it: `{"version", "stars", "remark_max", "questions"}`."""
    newest = QUESTIONNAIRES[-1]
    return {"version": newest.version, "stars": {"min": 1, "max": 5}, "remark_max": 200} | newest.model_dump(
        include={"questions"}
    )
