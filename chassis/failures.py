"""What a handler raises that is not a refusal, in words that say nothing about anybody."""

from __future__ import annotations

from pydantic import ValidationError


class HandlerFailed(Exception):
    """A handler raised something that is not a refusal: a defect, or a message it cannot make sense of."""


def failed(problem: Exception) -> HandlerFailed:
    """The failure that came of it."""
    failure = HandlerFailed(f"{type(problem).__name__}: {without_values(problem)}")
    failure.__cause__ = problem
    return failure


def without_values(problem: Exception) -> str:
    """What is wrong, for logs and dead letters: of what pydantic refuses where it stands and why, and not, as pydantic
    itself does, the value or all that stands around it, which may say who somebody is."""
    if not isinstance(problem, ValidationError):
        return str(problem)
    errors = problem.errors(include_url=False, include_context=False, include_input=False)[:3]
    return "; ".join(".".join(map(str, error["loc"])) + ": " + error["msg"] for error in errors)
