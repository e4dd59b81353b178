"""Lists of records, single records and figures of groups, as the read API has them."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Final, TypeVar
from urllib.parse import quote

from xray.client.asking import Asking
from xray.errors import InvalidQueryError, NotFoundError, ServerError
from xray.model.aggregates import Aggregate
from xray.model.frames import Records
from xray.model.ids import parse_uuid
from xray.model.outline import StepOutline
from xray.model.records import Decision, Page, Run, RunDetail, Step
from xray.questions import Pairs, Parameter, as_pairs, run_path
from xray.replies import read_decisions, read_health, read_record, read_runs, read_steps

LAST: Final = "last"
MAX_LISTED_MATCHES: Final = 10

_Record = TypeVar("_Record")


class Lists(Asking):
    """Reads runs, steps, decisions and figures of them."""

    def runs(self, **parameters: Parameter) -> Page[Run]:
        """Runs, newest first, that meet the parameters of `GET /v1/runs`; `q` takes a query."""
        return read_runs(self.get("/v1/runs", as_pairs(parameters)))

    def steps(self, **parameters: Parameter) -> Page[Step]:
        """Steps, newest first, that meet the parameters of `GET /v1/steps`; `q` takes a query."""
        return read_steps(self.get("/v1/steps", as_pairs(parameters)))

    def decisions(self, **parameters: Parameter) -> Page[Decision]:
        """Decisions that meet the parameters of `GET /v1/decisions`; `q` takes a query.

        Without a step, a run or a candidate the newest steps are searched, up to a budget.
        """
        return read_decisions(self.get("/v1/decisions", as_pairs(parameters)))

    def iter_runs(self, **parameters: Parameter) -> Records[Run]:
        """Every run that meets the parameters, page after page; also as a data frame."""
        return Records(self._iterate("/v1/runs", parameters, read_runs))

    def iter_steps(self, **parameters: Parameter) -> Records[Step]:
        """Every step that meets the parameters, page after page; also as a data frame."""
        return Records(self._iterate("/v1/steps", parameters, read_steps))

    def iter_decisions(self, **parameters: Parameter) -> Records[Decision]:
        """Every decision that meets the parameters, page after page; also as a data frame."""
        return Records(self._iterate("/v1/decisions", parameters, read_decisions))

    def aggregate(
        self,
        of: str,
        *,
        is_whole: bool = False,
        note_part: Callable[[Aggregate], object] = lambda _: None,
        **parameters: Parameter,
    ) -> Aggregate:
        """Figures of groups: `aggregate("steps", mean="rejection_rate", by="pipeline")`.

        Args:
            of: `runs`, `steps` or `decisions`.
            is_whole: go on where the search stops at its budget, until all records were looked at.
            note_part: called with each part of the answer as it comes.
            parameters: those of `GET /v1/aggregate`; `q` takes a query.
        """
        pairs = as_pairs({"of": of, **parameters})
        return self.add_up(pairs, is_whole=is_whole, note_part=note_part)

    def add_up(
        self, pairs: Pairs, *, is_whole: bool, note_part: Callable[[Aggregate], object]
    ) -> Aggregate:
        """What `aggregate` answers to parameters as the query of a URL has them."""
        from xray.query.figures import add_parts

        if not is_whole:
            return read_record(self.get("/v1/aggregate", pairs), Aggregate)
        return self._ask_whole("/v1/aggregate", pairs, Aggregate, add_parts, note_part)

    def run(self, run: str) -> RunDetail:
        """One run with its steps.

        Args:
            run: an id, a unique prefix of one, or `last`.

        Raises:
            NotFoundError: there is no such run.
        """
        return read_record(self.get(run_path(self.resolve_run(run))), RunDetail)

    def step(self, step_id: str) -> Step:
        """One step with samples of what it rejected."""
        return read_record(self.get(f"/v1/steps/{quote(step_id, safe='')}"), Step)

    def outline(self, step_id: str) -> StepOutline:
        """Every stored decision of a step in columns: candidate, verdict, reason, score, rank."""
        return read_record(self.get(f"/v1/steps/{quote(step_id, safe='')}/outline"), StepOutline)

    def health(self) -> str:
        """What the server says of itself: `ok`."""
        return read_health(self.get("/health"))

    def resolve_run(self, name: str) -> str:
        """The id of the run that *name* means: an id, a unique prefix of one, or `last`.

        Raises:
            NotFoundError: no run has that id or prefix, or there is none at all.
            InvalidQueryError: several runs begin with that prefix, or it cannot begin an id.
        """
        wanted = name.strip().lower()
        if wanted == LAST:
            newest = self.runs(limit=1).items
            if not newest:
                raise NotFoundError(
                    f"{self._place} has no runs yet.",
                    hint="Run a pipeline with X-Ray in it, or try `xray demo`.",
                    code="run_not_found",
                )
            return newest[0].run_id
        run_id = parse_uuid(wanted) if len(wanted) >= 32 else None
        return run_id or self._resolve_prefix(name, wanted)

    def _resolve_prefix(self, name: str, prefix: str) -> str:
        if not re.fullmatch(r"[0-9a-f-]{1,36}", prefix):
            raise InvalidQueryError(
                f"{name!r} names no run.",
                hint="Give a run's id, the beginning of one, or `last`; `xray runs` lists them.",
                code="invalid_run",
            )
        page = self.runs(run_id_prefix=prefix, limit=MAX_LISTED_MATCHES)
        matches = [run for run in page.items if run.run_id.startswith(prefix)]
        if not matches:
            raise NotFoundError(
                f"No run begins with {prefix!r}.",
                hint="`xray runs` lists the runs there are.",
                code="run_not_found",
            )
        if len(matches) > 1:
            listed = ", ".join(f"{run.run_id} ({run.pipeline})" for run in matches)
            more = " and more" if page.next_cursor else ""
            raise InvalidQueryError(
                f"Several runs begin with {prefix!r}: {listed}{more}.",
                hint="Give more of the id.",
                code="ambiguous_run",
            )
        return matches[0].run_id

    def _iterate(
        self,
        path: str,
        parameters: Mapping[str, Parameter],
        read: Callable[[bytes], Page[_Record]],
    ) -> Iterator[_Record]:
        asked = dict(parameters)
        while True:
            page = read(self.get(path, as_pairs(asked)))
            yield from page.items
            if page.next_cursor is None:
                return
            if page.next_cursor == asked.get("cursor"):
                raise ServerError(
                    f"{self._place} gave the same page twice.",
                    hint="Ask without `cursor`.",
                )
            asked["cursor"] = page.next_cursor
