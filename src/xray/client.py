"""The read API over HTTP, for notebooks and the command line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Final, TypeVar
from urllib.parse import quote, urlencode

from xray.errors import InvalidQueryError, NotFoundError, ServerError
from xray.model.aggregates import Aggregate
from xray.model.answers import Finding, FindingList, Why
from xray.model.comparison import Comparison
from xray.model.differences import RunDiff
from xray.model.flakiness import FlakinessReport
from xray.model.frames import Records
from xray.model.ids import parse_uuid
from xray.model.lineage import Lineage
from xray.model.records import Decision, Page, Run, RunDetail, Step
from xray.model.verification import Verification
from xray.model.what_if import WhatIf
from xray.model.what_if_runs import WhatIfOfRuns
from xray.questions import (
    Pairs,
    Parameter,
    as_pairs,
    compare_request,
    diff_request,
    provenance_request,
    run_path,
    spell_limits,
    split_texts,
    verify_request,
    what_if_request,
    why_request,
)
from xray.replies import (
    Reply,
    explain_no_reply,
    problem_of,
    read_decisions,
    read_findings,
    read_health,
    read_record,
    read_runs,
    read_steps,
)
from xray.wire.address import DEFAULT_URL, check_key, check_url

if TYPE_CHECKING:
    import urllib3
    from typing_extensions import Self

DEFAULT_TIMEOUT_S: Final = 30.0
LAST: Final = "last"
MAX_LISTED_MATCHES: Final = 10

_Record = TypeVar("_Record")


class Client:
    """Reads runs, steps, decisions and answers from an X-Ray server.

    Args:
        url: the server; `XRAY_URL`, else `http://127.0.0.1:8000`, when absent.
        api_key: its key; `XRAY_API_KEY` when absent.
        timeout_s: how long one request may take.

    Raises:
        ConfigurationError: the address is none, or the key would travel unencrypted.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> None:
        self.url = check_url(url or os.environ.get("XRAY_URL") or DEFAULT_URL)
        key = api_key or os.environ.get("XRAY_API_KEY")
        self._api_key = check_key(key, self.url) if key else None
        self._timeout_s = timeout_s
        self._pool: urllib3.PoolManager | None = None

    @property
    def _place(self) -> str:
        return f"The server at {self.url}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the connections back; the client opens others when it is used again."""
        if self._pool is not None:
            self._pool.clear()
            self._pool = None

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

        whole = read_record(self.get("/v1/aggregate", pairs), Aggregate)
        while is_whole and whole.next_cursor is not None:
            note_part(whole)
            asked = [pair for pair in pairs if pair[0] != "cursor"]
            asked.append(("cursor", whole.next_cursor))
            part = read_record(self.get("/v1/aggregate", asked), Aggregate)
            if part.next_cursor == whole.next_cursor:
                raise ServerError(
                    f"{self._place} gave the same part twice.", hint="Ask without `cursor`."
                )
            whole = add_parts([whole, part])
        return whole

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

    def why(self, run: str, candidate: str) -> Why:
        """Why *candidate* ended as it did in *run* (an id, a unique prefix, or `last`)."""
        path, pairs = why_request(self.resolve_run(run), candidate)
        return read_record(self.get(path, pairs), Why)

    def provenance(self, run: str, item: str) -> Lineage:
        """What *item* came from and brought in *run* (an id, a unique prefix, or `last`)."""
        path, pairs = provenance_request(self.resolve_run(run), item)
        return read_record(self.get(path, pairs), Lineage)

    def diff(self, a: str, b: str) -> RunDiff:
        """How run *b* differs from run *a* (each an id, a unique prefix, or `last`)."""
        path, pairs = diff_request(self.resolve_run(a), self.resolve_run(b))
        return read_record(self.get(path, pairs), RunDiff)

    def compare(
        self,
        a: str,
        b: str,
        *,
        is_whole: bool = True,
        note_part: Callable[[Comparison], object] = lambda _: None,
    ) -> Comparison:
        """How the runs that meet query *b* differ from those that meet query *a*.

        Args:
            a: a query of runs, e.g. `"version = '1.4'"`; empty for all.
            b: another.
            is_whole: go on until all runs were looked at, not only the newest.
            note_part: called with each part of the answer as it comes.
        """
        pairs = compare_request(a, b)[1]
        compared = read_record(self.get("/v1/compare", pairs), Comparison)
        while is_whole and compared.next_cursor is not None:
            note_part(compared)
            asked = [*pairs, ("cursor", compared.next_cursor)]
            compared = read_record(self.get("/v1/compare", asked), Comparison)
        return compared

    def what_if(self, run: str, **limits: object) -> WhatIf:
        """What *run* would have decided with other limits: `what_if("last", price=120)`."""
        path, pairs = what_if_request(self.resolve_run(run), spell_limits(limits))
        return read_record(self.get(path, pairs), WhatIf)

    def what_if_of_runs(
        self,
        q: str = "",
        *,
        is_whole: bool = True,
        note_part: Callable[[WhatIfOfRuns], object] = lambda _: None,
        **limits: object,
    ) -> WhatIfOfRuns:
        """What many runs would have decided: `what_if_of_runs("pipeline = 'shop'", price=120)`.

        Args:
            q: which runs: a query of runs; all of them when empty.
            is_whole: go on where the search stops at its budget, until all runs were looked at.
            note_part: called with what is known each time it does.
            limits: other limits, by the name of a check or its field.
        """
        pairs = [("q", q)] if q else []
        pairs += [("limit", spelled) for spelled in spell_limits(limits)]
        return self.try_limits(pairs, is_whole=is_whole, note_part=note_part)

    def try_limits(
        self, pairs: Pairs, *, is_whole: bool, note_part: Callable[[WhatIfOfRuns], object]
    ) -> WhatIfOfRuns:
        """What `what_if_of_runs` answers to parameters as the query of a URL has them."""
        from xray.query.what_if_parts import add_parts

        whole = read_record(self.get("/v1/what-if", pairs), WhatIfOfRuns)
        while is_whole and whole.next_cursor is not None:
            note_part(whole)
            asked = [pair for pair in pairs if pair[0] != "cursor"]
            asked.append(("cursor", whole.next_cursor))
            part = read_record(self.get("/v1/what-if", asked), WhatIfOfRuns)
            if part.next_cursor == whole.next_cursor:
                raise ServerError(
                    f"{self._place} gave the same part twice.", hint="Ask without `cursor`."
                )
            whole = add_parts([whole, part])
        return whole

    def flakiness(self, q: str = "", runs: int = 20) -> FlakinessReport:
        """How far the newest *runs* that meet query *q* decide alike on the same input."""
        pairs: Pairs = [("q", q), ("runs", str(runs))]
        return read_record(self.get("/v1/flakiness", pairs), FlakinessReport)

    def verify(self, run: str, *expectations: str) -> Verification:
        """Whether *run* (an id, a unique prefix, or `last`) decided as expected.

        Args:
            run: the run.
            expectations: as `spec/expectations.md` has them: `"p42 is not selected"`.
        """
        run_id = self.resolve_run(run)
        parts = [
            read_record(self.get(*verify_request(run_id, some)), Verification)
            for some in split_texts(expectations)
        ]
        verified = [one for part in parts for one in part.expectations]
        return Verification.of(run_id, parts[0].pipeline, verified)

    def findings(self, run: str) -> list[Finding]:
        """What deserves a look in *run* (an id, a unique prefix, or `last`), in that order."""
        return self.list_findings(run).findings

    def look_here_first(self, run: str) -> list[Finding]:
        """The findings in *run* to look at first: at most three."""
        return self.list_findings(run).first

    def list_findings(self, run: str) -> FindingList:
        """What deserves a look in *run*, and how many of them to look at first."""
        return read_findings(self.get(run_path(self.resolve_run(run), "findings")))

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

    def get(self, path: str, parameters: Pairs = ()) -> bytes:
        """The body the server answers to a question.

        Args:
            path: a path of the read API, e.g. `/v1/runs`.
            parameters: names and values of the query.

        Raises:
            XRayError: the subclass that says why there is no answer.
        """
        reply = self.ask(path, parameters)
        if 200 <= reply.status < 300:
            return reply.body
        error = problem_of(reply, self.url)
        if isinstance(error, InvalidQueryError) and error.at is not None:
            error.query = dict(parameters).get(error.parameter)
        raise error

    def ask(self, path: str, parameters: Pairs = ()) -> Reply:
        """Whatever the server answers, a refusal included.

        Raises:
            ServerUnreachableError: nothing answered.
        """
        import urllib3

        if self._pool is None:
            self._pool = urllib3.PoolManager(retries=False, timeout=self._timeout_s)
        url = (
            self.url + path + ("?" + urlencode(parameters, errors="replace") if parameters else "")
        )
        headers = {"Accept": "application/json"}
        if self._api_key is not None:
            headers["Authorization"] = f"Bearer {self._api_key}"
        try:
            answer = self._pool.request("GET", url, headers=headers, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            raise explain_no_reply(self.url, error, self._timeout_s) from error
        return Reply(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.headers.items()},
            body=answer.data,
        )
