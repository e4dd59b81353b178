"""Questions that an index answers, asked of any store as its server asks them.

Each is about something else each time, from URL parameters to encoded JSON.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import msgspec

from bench.dataset import PIPELINES
from bench.stored import Samples
from xray import reading
from xray.store.protocol import Store

INDEXED_STAT = "latency_p50"
NOW_US = 1_767_139_200_000_000
_WARM_UP = 10

Parameters = list[tuple[str, str]]


@dataclass(frozen=True)
class Question:
    """A kind of question.

    Args:
        name: what is asked.
        ask: its path and parameters, about something else each time.
        is_indexed: whether an index must answer it.
    """

    name: str
    ask: Callable[[random.Random, Samples], tuple[str, Parameters]]
    is_indexed: bool = True


def _ask_newest(dice: random.Random, _: Samples) -> tuple[str, Parameters]:
    status = dice.choice(("completed", "failed"))
    return "/v1/runs", [("pipeline", dice.choice(PIPELINES)), ("status", status)]


def _ask_run(dice: random.Random, samples: Samples) -> tuple[str, Parameters]:
    return f"/v1/runs/{dice.choice(samples.decided)[0]}", []


def _ask_rate(dice: random.Random, _: Samples) -> tuple[str, Parameters]:
    return "/v1/steps", [
        ("step_type", "filter"),
        ("rejection_rate_gt", dice.choice(("0.9", "0.8"))),
    ]


def _ask_stat(
    least: float, most: float
) -> Callable[[random.Random, Samples], tuple[str, Parameters]]:
    def ask(dice: random.Random, _: Samples) -> tuple[str, Parameters]:
        return "/v1/steps", [(f"stats.{INDEXED_STAT}__gt", f"{dice.uniform(least, most):.6f}")]

    return ask


def _ask_history(dice: random.Random, samples: Samples) -> tuple[str, Parameters]:
    return "/v1/decisions", [("candidate_id", dice.choice(samples.decided)[1])]


def _ask_any(dice: random.Random, samples: Samples) -> tuple[str, Parameters]:
    name = dice.choice(samples.decided)[1]
    return "/v1/runs", [("q", f"any(decision.candidate_id = '{name}')")]


def _ask_why(dice: random.Random, samples: Samples) -> tuple[str, Parameters]:
    run_id, candidate_id = dice.choice(samples.decided)
    return f"/v1/runs/{run_id}/why", [("candidate", candidate_id)]


def _ask_why_named(dice: random.Random, samples: Samples) -> tuple[str, Parameters]:
    run_id, candidate_id = dice.choice(samples.named)
    return f"/v1/runs/{run_id}/why", [("candidate", candidate_id)]


QUESTIONS = (
    Question("newest runs by pipeline and status", _ask_newest),
    Question("one run", _ask_run),
    Question("step_type=filter&rejection_rate_gt=0.9", _ask_rate),
    Question("stats.x__gt, every tenth step", _ask_stat(40, 49)),
    Question("stats.x__gt, one step in 100,000", _ask_stat(49.998, 49.9999)),
    Question("history of a candidate", _ask_history),
    Question("any(decision.candidate_id = 'x')", _ask_any),
    Question("why, a candidate with detail", _ask_why),
    Question("why, a candidate sampled out", _ask_why_named),
)


@dataclass
class Times:
    """How long the same question took, each time it was asked of one store.

    Args:
        wall_ms: by the wall.
        cpu_ms: CPU of the asking thread.
        server_ms: CPU of the database's own processes meanwhile.
    """

    wall_ms: list[float] = field(default_factory=list)
    cpu_ms: list[float] = field(default_factory=list)
    server_ms: list[float] = field(default_factory=list)

    @property
    def whole_cpu_ms(self) -> list[float]:
        """CPU of both sides."""
        return [own + other for own, other in zip(self.cpu_ms, self.server_ms, strict=True)]


def ask_in_turn(
    question: Question,
    asked: Sequence[tuple[Store, Samples]],
    times: int,
    read_server_s: Callable[[], float] = lambda: 0.0,
) -> list[Times]:
    """Ask each store *question* so many times, after a few that do not count, in turn.

    Args:
        question: the question.
        asked: the stores and some of what each holds.
        times: how often each is asked.
        read_server_s: the CPU that the database's own processes have taken so far.

    Raises:
        AssertionError: an index should have answered, and everything was looked through.
    """
    taken = [Times() for _ in asked]
    dices = [random.Random(7) for _ in asked]
    for number in range(_WARM_UP + times):
        for (store, samples), dice, own in zip(asked, dices, taken, strict=True):
            path, parameters = question.ask(dice, samples)
            server_s = read_server_s()
            wall_s, cpu_s = time.perf_counter(), time.thread_time()
            answer = reading.answer(store, path, parameters, NOW_US)
            msgspec.json.encode(answer)
            wall_s, cpu_s = time.perf_counter() - wall_s, time.thread_time() - cpu_s
            server_s = read_server_s() - server_s
            if question.is_indexed and not isinstance(
                getattr(answer, "scan", msgspec.UNSET), msgspec.UnsetType
            ):
                raise AssertionError(f"{path} {parameters} is a scan: {answer.scan}")  # type: ignore[attr-defined]
            if number >= _WARM_UP:
                own.wall_ms.append(1e3 * wall_s)
                own.cpu_ms.append(1e3 * cpu_s)
                own.server_ms.append(1e3 * max(server_s, 0.0))
    return taken


def p95(times: Sequence[float]) -> float:
    """What one time in twenty is above."""
    return sorted(times)[int(0.95 * len(times))]
