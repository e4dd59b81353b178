"""A pipeline that uses everything `import xray` gives, and prints what it got from it.

    python -m tests.fault.no_harm_program [PART ...]

What it prints and how it ends must be the same with X-Ray on, off and broken in any one line.
"""

from __future__ import annotations

import asyncio
import atexit
import logging
import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import xray
from xray.capture.current import current_run
from xray.capture.step import current_step

STATUS = 7
ROWS = 600
END = "-- the program ends --"

_ITEMS = [{"id": f"p{n}", "price": n * 30, "stock": n % 2 == 0, "name": "n"} for n in range(8)]


class MistakeError(Exception):
    """What the pipeline's own code raises."""


class LimitError(Exception):
    """What the pipeline's own limit of time raises, wherever its code is."""


class Candidate:
    """An object with an id."""

    def __init__(self, identity: str) -> None:
        self.id = identity
        self.price = 5.0


def hide(key: str, value: object) -> object:
    return xray.REDACTED if key == "hidden" else value


def say(*words: object) -> None:
    print(*words, flush=True)


def expect(what: str, function: Callable[[], Any]) -> None:
    """Print what *function* returns or raises, where that may be an exception."""
    try:
        say(what, "gives", function())
    except Exception as error:
        say(what, "raises", type(error).__name__, error)


# Runs, steps, and the verbs about one candidate


def use_scalar_verbs(step: xray.Step) -> None:
    step.set_params({"a": 1}, b=[2, "three"])
    step.set_input(_ITEMS)
    step.set_input_count(40)
    step.set_output_count(4)
    step.log_stats({"filter_rate": 0.5}, depth=3, note="text")
    for price in (50, 150, None):
        expect("check", partial(step.check, "c1", "dear", price, "<=", 100, field="price"))
    expect("check", lambda: step.check("c2", "known", "x", "in", ["x", "y"]))
    expect("check", lambda: step.check("c2", "bad", 1, "<", "a"))
    step.reject("c1")
    step.reject("c2", "why", {"price": 5, "api_key": "s", "hidden": object()}, "too 5 dear", 0.5)
    step.reject("c2", observed=5, limit=4, op="<=", origin="c0", rank=3, by="q1", part_of="w")
    step.reject(7, "odd", attributes=Candidate("x"), origin=[("earlier", "c0"), "c9"])
    step.reject({"id": "c3"}, reasoning="no reason given", score={"a": 1.0, "b": float("nan")})
    step.accept("c4", 0.75, {"price": 5})
    step.accept(Candidate("c5"), score={"total": 2}, reasoning="fine", rank=1)
    step.accept("\ud800", reason="plain")
    step.select("c4", 0.9)
    step.select(("a", 1), rank=1, by=Candidate("q"), attributes=[1, {"deep": [2]}])
    too_dear = step.reason("too_dear")
    too_dear("c6", {"price": 150})
    too_dear("c7", observed=1)
    step.log_sampled_candidates(
        accepted=["s1", ("s2", 0.5)], rejected=[("s3", "text", 1)], selected=iter(())
    )
    step.set_output(["c4"])


def use_runs(client: xray.XRay) -> None:
    with client.run(
        input={"q": "x"},
        metadata={"user": "u1", "hidden": 1},
        tags=["one", "two"],
        params={"k": 3},
        correlation={"request": "r-1"},
        key="job-1",
        attempt=2,
    ) as run:
        run.set_metadata({"more": 1}, named=object())
        run.add_tags("three")
        for level in ("sample", "full", "minimal"):
            with run.step("filter", "filter", capture=level, params={"p": 1}, input=[1]) as step:
                use_scalar_verbs(step)
        with run.step("outer", step_type="group") as outer:
            with run.step("inner", "rank", takes=["filter", outer]) as inner:
                inner.select("c4")
            with run.step("beside", "rank", parent=outer, takes="inner") as beside:
                beside.accept("c4")
        forgotten = run.step("forgotten", "transform")
        forgotten.accept("f1")
        run.keep("asked for")
        run.set_output({"answer": 42})
    say("run", type(run).__name__ in ("Run", "NoopRun"), len(run.run_id))
    started = client.start(input=[1], tags="t")
    started.finish(output=1)
    started.finish(status="failed", error=MistakeError("late"))
    client.start().finish(status="cancelled")


def use_many_rows(client: xray.XRay) -> None:
    with client.run() as run:
        for level in ("sample", "full"):
            with run.step("many", "filter", capture=level) as step:
                for number in range(ROWS):
                    step.reject(f"m{number % 500}", "low" if number % 3 else "high", {"n": number})
                    step.accept(f"k{number}", float(number), origin=("filter", "c4"))
                step.select("k1", 1.0, {"n": 1})
                say(level)


def use_exceptions(client: xray.XRay) -> None:
    for mistake in (MistakeError("one"), KeyboardInterrupt(), SystemExit(3), GeneratorExit()):
        try:
            with client.run() as run, run.step("fails", "transform"):
                raise mistake
        except BaseException as raised:
            say("the same" if raised is mistake else "another", type(raised).__name__)
    try:
        with client.run() as run:
            try:
                with run.step("tried", "transform"):
                    raise MistakeError("first")
            except MistakeError:
                with run.step("tried", "transform") as again:
                    again.accept("a")
            raise MistakeError("second") from None
    except MistakeError as raised:
        say(raised, raised.__cause__, raised.__context__)


# Verbs about many


def ask_wrongly(item: dict[str, Any]) -> bool:
    raise MistakeError(item["id"])


def use_set_verbs(client: xray.XRay) -> None:
    import numpy
    import pandas

    rules = [
        xray.rule("dear", "price", "<=", 150),
        ("stocked", "stock"),
        ("asked", lambda item: (item["price"] > 0, "free", 0.1)),
    ]
    frame = pandas.DataFrame(_ITEMS)
    array = numpy.array([f"a{n}" for n in range(6)])
    prices = numpy.arange(6) * 1.5
    with client.run() as run:
        with run.step("acts", "filter") as step:
            expect("filter", lambda: [i["id"] for i in step.filter(_ITEMS, rules)])
            expect("filter", lambda: list(step.filter(frame, rules[:2], key="id").index))
            expect("filter", lambda: step.filter(array, [("mask", prices < 5)]).tolist())
            expect("filter", lambda: step.filter(tuple(_ITEMS), rules, evaluate="first", by="q"))
            expect("filter", lambda: step.filter(_ITEMS, [("mine", ask_wrongly)]))
            expect("rank", lambda: [i["id"] for i in step.rank(_ITEMS, "price", top=3)])
            expect("rank", lambda: list(step.rank(frame, {"a": "price"}, attrs=["name"]).index))
            expect("take", lambda: step.take(array, 2, part_of="whole").tolist())
            expect("dedupe", lambda: [i["id"] for i in step.dedupe(_ITEMS, on="stock")])
        with run.step("records", "rank", capture="full") as step:
            step.decide(["a", "b", "c"], keep=[True, False, None], reason="dear", scores=[1, 2, 3])
            step.decide(array, prices < 5, reason=list("uvwxyz"), by=list("ppqqrr"), part_of="w")
            step.decide(frame["id"], frame["stock"], origin="c4")
            step.ranked(frame["id"], scores={"price": frame["price"]}, top=3)
            step.merged(["a", "b"], into="c")
            step.accept_many(array)
            step.reject_many(array, "old", scores=prices)
            step.reject_many(["y", "z"], ["first", "second"])
            step.select_many(frame)
            step.accept_many([f"r{n}" for n in range(3_000)])
            step.decide(object(), keep=5)  # type: ignore[arg-type]


# Functions, generators, tasks and threads


def use_decorators(client: xray.XRay) -> None:
    @client.run(tags=["decorated"])
    def add(a: int, b: int = 2) -> int:
        "Adds."
        with xray.xray_step("inside", "FILTER") as step:
            step.reject("d1", "why")
        return a + b

    @xray.xray_step("generates", "generate")
    def count(limit: int) -> Iterator[int]:
        for number in range(limit):
            heard = yield number
            if heard:
                yield heard * 10
        return limit

    @xray.xray_step("fails", "transform")
    def fail() -> None:
        raise MistakeError("decorated")

    class Service:
        """A class whose methods are recorded."""

        @client.run()
        def method(self, value: int) -> int:
            return value * 2

        @classmethod
        @xray.xray_step("class", "transform")
        def of_class(cls) -> str:
            return cls.__name__

    say(add(1), add(b=5, a=1), add.__name__, add.__doc__)
    expect("wrong arguments", add)
    with client.run():
        counting = count(3)
        say(next(counting), counting.send(4), list(counting))  # type: ignore[attr-defined]
        expect("throw", lambda: count(2).throw(MistakeError("thrown")))  # type: ignore[attr-defined]
        left = count(2)
        say(next(left))
        left.close()  # type: ignore[attr-defined]
        expect("fail", fail)
        say(Service().method(4), Service.of_class())


def use_streams(client: xray.XRay) -> None:
    say(list(client.stream([1, 2, 3], input="list")))

    def tell() -> Iterator[str]:
        with xray.xray_step("told", "generate") as step:
            step.accept("t")
        yield "a"
        raise MistakeError("in a stream")

    expect("stream", lambda: list(client.stream(tell(), tags=["s"])))


def use_tasks(client: xray.XRay) -> None:
    asyncio.run(use_coroutines(client))


async def use_coroutines(client: xray.XRay) -> None:
    @client.run()
    async def answer(question: str) -> str:
        async with xray.xray_step("thinks", "transform") as step:
            await asyncio.sleep(0)
            step.accept(question)
        return question + "!"

    @xray.xray_step("counts", "generate")
    async def count() -> AsyncIterator[int]:
        for number in range(3):
            await asyncio.sleep(0)
            yield number

    async def accept(item: dict[str, Any]) -> bool:
        await asyncio.sleep(0)
        return item["price"] < 100

    say(await asyncio.gather(answer("a"), answer("b")))
    async with client.run() as run:
        say([number async for number in count()])
        async for number in count():
            say("left at", number)
            break
        say([number async for number in client.stream(count())])
        with run.step("awaits", "filter") as step:
            try:
                kept = await step.afilter(_ITEMS, [("soon", accept)])
                say("afilter gives", [item["id"] for item in kept])
            except Exception as error:
                say("afilter raises", type(error).__name__, error)
        task = asyncio.ensure_future(answer("never"))
        task.cancel()
        say(await asyncio.gather(task, return_exceptions=True))


def use_threads(client: xray.XRay) -> None:
    def work(number: int) -> int:
        with xray.xray_step("worked", "transform") as step:
            step.accept(f"w{number}")
        return number * number

    with client.run(), ThreadPoolExecutor(2) as pool:
        say(list(pool.map(xray.wrap(work), range(4))))
    with xray.xray_step("outside", "transform") as step:
        step.reject("nobody")


# More than one process


def use_processes(client: xray.XRay) -> None:
    with client.run(key="shared") as run, run.step("asks", "transform"):
        headers = run.headers()
        say(type(headers).__name__)
        with xray.attach({**headers, "X-Other": "1"}) as attached:
            with attached.step("afar", "rank") as step:
                step.select("h1")
            attached.set_metadata(seen=True)
            attached.set_output(1)
            attached.add_tags("t")
    with xray.attach({"traceparent": "nonsense"}) as nothing:
        nothing.set_output(1)
    with xray.attach("no-harm", key="shared") as attached, attached.step("by key", "transform"):
        pass
    client.attach(None)
    sys.stderr.flush()
    pid = os.fork()
    if pid == 0:
        with client.run() as run, run.step("child", "filter") as step:
            step.reject("x", "forked")
        os._exit(0)
    say("child", os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))


def use_sampling(client: xray.XRay) -> None:
    few = xray.XRay(
        "few", sample=0.5, keep=["status = 'failed'", "any(step.output_count = 0)"], watch=["w1"]
    )
    none = xray.XRay("none", sample=0)
    for number in range(6):
        with few.run(input=number) as run, run.step("filter", "filter") as step:
            step.reject("w1" if number == 3 else "c", "why")
            step.set_output_count(number % 2)
        with none.run(key=f"k{number}") as run, run.step("filter", "filter", capture="full") as s:
            for row in range(3):
                s.reject(f"c{row}", "why")
            if number == 2:
                run.keep("odd")
    expect("failing", lambda: _fail_in(few))
    with few.run() as run:
        handed = run.headers()
    xray.attach(handed).finish()
    none.attach("k1").finish()
    open_run = few.start()
    open_run.step("open", "transform").__enter__().accept("o")


def _fail_in(client: xray.XRay) -> None:
    with client.run():
        raise MistakeError("in a sampled run")


# Interruptions and ends


def use_handlers(client: xray.XRay) -> None:
    def record(*_: object) -> None:
        with client.run(input="signal") as run, run.step("handled", "transform") as step:
            step.accept("s")

    before = signal.signal(signal.SIGUSR1, record)
    with client.run():
        os.kill(os.getpid(), signal.SIGUSR1)
    signal.signal(signal.SIGUSR1, before)


class Late:
    """Records when it is dropped."""

    def __init__(self, client: xray.XRay) -> None:
        self.client = client

    def __del__(self) -> None:
        with self.client.run(input="finaliser") as run:
            run.set_output(1)


def prepare_end(client: xray.XRay) -> None:
    def last() -> None:
        with client.run(input="exit hook") as run, run.step("last", "transform") as step:
            step.accept("l")
        say("exit hook done")

    def linger() -> None:
        threading.main_thread().join()
        with client.run(input="late thread"):
            pass

    late = Late(client)
    del late
    # Alive until the interpreter drops the module.
    globals()["_kept"] = Late(client)
    atexit.register(last)
    threading.Thread(target=linger).start()


def use_settings(client: xray.XRay) -> None:
    xray.configure(environment="test", version="1", nonsense=1)
    with xray.XRay("off", enabled=False).run() as run:
        run.set_output(run.headers())
    odd = xray.XRay("odd", capture="nonsense", url=5, redact_keys=["secret"], log="warning")
    with odd.run(input={"my_secret": 1}) as run, run.step("s", "nonsense", capture="odd") as step:
        step.accept("a")
    with xray.xray_run("short", metadata={"a": 1}), xray.xray_step("step", "transform"):
        pass


def use_delivery(client: xray.XRay) -> None:
    with client.run():
        pass
    say("flush", type(xray.flush(timeout_s=2)).__name__, type(xray.stats()).__name__)
    say("close", type(xray.close(timeout_s=1)).__name__)


PARTS: dict[str, Callable[[xray.XRay], None]] = {
    "settings": use_settings,
    "runs": use_runs,
    "many_rows": use_many_rows,
    "exceptions": use_exceptions,
    "set_verbs": use_set_verbs,
    "decorators": use_decorators,
    "streams": use_streams,
    "tasks": use_tasks,
    "threads": use_threads,
    "processes": use_processes,
    "sampling": use_sampling,
    "handlers": use_handlers,
    "delivery": use_delivery,
    "ends": prepare_end,
}


def main(parts: Sequence[str] = tuple(PARTS)) -> None:
    """Run *parts*, and leave by `sys.exit` from within a run."""
    logging.basicConfig(format="%(name)s: %(message)s")
    client = xray.XRay("no-harm", redact=hide, repository="here")
    for part in parts:
        PARTS[part](client)
        say(part)
    print(END, file=sys.stderr, flush=True)
    with client.run() as run, run.step("exits", "transform"):
        sys.exit(STATUS)


def main_interrupted(parts: Sequence[str]) -> None:
    """Run *parts*, which something interrupts, and tell whether X-Ray works as before then."""
    logging.basicConfig(format="%(name)s: %(message)s")

    def end(*_: object) -> None:
        raise LimitError

    signal.signal(signal.SIGALRM, end)
    client = xray.XRay("no-harm", redact=hide, repository="here")
    for part in parts:
        try:
            PARTS[part](client)
            say(part)
        except (KeyboardInterrupt, LimitError) as error:
            say("interrupted", type(error).__name__)
    try:
        check_order(client)
    except (KeyboardInterrupt, LimitError) as error:
        say("interrupted", type(error).__name__)
        check_order(client)


def check_order(client: xray.XRay) -> None:
    """Tell whether runs, delivery and the books are as they should be."""
    with client.run() as run, run.step("after", "filter") as step:
        step.reject("a")
        say("inside", current_step.get() is step, current_run.get() is run)
    say("complete", xray.flush(timeout_s=20).is_complete)
    books = xray.stats()
    say("books", books.offered == books.acknowledged + books.pending + books.total_lost)


if __name__ == "__main__":
    main(sys.argv[1:] or tuple(PARTS))
