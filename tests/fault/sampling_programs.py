"""Programs that sample whole runs and end in some way."""

from __future__ import annotations

import sys
from typing import Final

_HEAD: Final = """
import gc, multiprocessing, os, sys, threading, time
import xray
x = xray.XRay("p", sample=0, keep=["status = 'failed'"])

def record(name="step"):
    with x.run() as run, run.step(name, "filter") as step:
        step.reject("a", "r")
"""

PROGRAMS: Final = {
    "ends": _HEAD + "for _ in range(3): record()",
    "ends with a run open": _HEAD
    + """
record()
left = x.start()
with left.step("open", "filter") as step:
    step.reject("a", "r")
""",
    "closes and goes on": _HEAD
    + """
record()
xray.close()
record()
""",
    "flushes and is killed": _HEAD
    + """
for _ in range(3): record()
print(xray.flush(20).is_complete, flush=True)
os.kill(os.getpid(), 9)
""",
    "exits by an exception": _HEAD
    + """
record()
with x.run() as run:
    raise ValueError("no")
""",
    "forks": _HEAD
    + """
record("before")
child = os.fork()
record("after")
if child:
    os.waitpid(child, 0)
""",
    "forks inside a run": _HEAD
    + """
with x.run() as run:
    with run.step("before", "filter") as step:
        step.reject("a", "r")
    child = os.fork()
    if not child:
        with run.step("child", "filter") as step:
            step.reject("a", "r")
        sys.exit(0)
    os.waitpid(child, 0)
    with run.step("after", "filter") as step:
        step.reject("a", "r")
""",
    "forks while it counts": _HEAD
    + """
is_over = threading.Event()
def work():
    while not is_over.is_set():
        record("thread")
threads = [threading.Thread(target=work) for _ in range(3)]
for thread in threads: thread.start()
children = []
for _ in range(5):
    child = os.fork()
    if not child:
        record("child")
        xray.flush(20)
        os._exit(0)
    children.append(child)
codes = [os.waitpid(child, 0)[1] for child in children]
is_over.set()
for thread in threads: thread.join()
print(codes)
""",
    "pools": _HEAD
    + """
if __name__ == "__main__":
    with multiprocessing.get_context("fork").Pool(2) as pool:
        pool.map(record, ["pooled"] * 6, chunksize=1)
        pool.close()
        pool.join()
""",
}

if __name__ == "__main__":
    exec(PROGRAMS[sys.argv[1]])
