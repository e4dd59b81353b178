"""The read API without HTTP: whoever asks, a server's route or a program with a database file.

Lists take the parameters of their URL; errors are those the API answers.
"""

from xray.reading.answers import (
    compare_groups,
    diff_runs,
    explain_candidate,
    list_findings,
    measure_flakiness,
    trace_candidate,
    try_limits,
    try_limits_on_runs,
    verify_run,
)
from xray.reading.lists import (
    PREFIX,
    DecisionList,
    Parameters,
    RunList,
    StepList,
    aggregate,
    find_run,
    list_decisions,
    list_runs,
    list_steps,
    read_id,
    show_run,
    show_step,
)
from xray.reading.paths import answer

__all__ = [
    "PREFIX",
    "DecisionList",
    "Parameters",
    "RunList",
    "StepList",
    "aggregate",
    "answer",
    "compare_groups",
    "diff_runs",
    "explain_candidate",
    "find_run",
    "list_decisions",
    "list_findings",
    "list_runs",
    "list_steps",
    "measure_flakiness",
    "read_id",
    "show_run",
    "show_step",
    "trace_candidate",
    "try_limits",
    "try_limits_on_runs",
    "verify_run",
]
