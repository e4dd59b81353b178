"""Why a page cannot be shown."""

from __future__ import annotations

from dataclasses import dataclass

from xray.web.page import Page


@dataclass(frozen=True, slots=True)
class ProblemModel:
    """Why a page cannot be shown.

    Args:
        code: the stable name of the problem.
        detail: what happened.
        hint: what to do next; may be empty.
        before: the part of a query before what is wrong with it; empty where no query is wrong.
        fault: the part that is wrong.
        behind: the part behind it.
    """

    code: str
    detail: str
    hint: str
    before: str = ""
    fault: str = ""
    behind: str = ""


def problem_page(
    status: int,
    code: str,
    detail: str,
    hint: str,
    *,
    asked: str = "",
    at: tuple[int, int] | None = None,
) -> Page:
    """The page that says why there is no other.

    Args:
        status: the HTTP status.
        code: the stable name of the problem.
        detail: what happened.
        hint: what to do next; may be empty.
        asked: the query at fault.
        at: the first wrong character of it, and the one behind the last.
    """
    start, end = (0, 0) if at is None else (at[0], max(at[1], at[0] + 1))
    model = ProblemModel(code, detail, hint, asked[:start], asked[start:end], asked[end:])
    if at is None:
        model = ProblemModel(code, detail, hint)
    return Page(template="problem.html", title=detail, model=model, status=status)
