"""The read API without HTTP: whoever asks, a server's route or a program with a database file.

Lists take the parameters of their URL; errors are those the API answers.
"""

from xray.reading.audit_answers import audit_choices
from xray.reading.forgetting import forget
from xray.reading.group_answers import (
    compare_groups,
    measure_flakiness,
    show_baselines,
    try_limits_on_runs,
)
from xray.reading.labels import list_labels, make_labels, report_labels
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
    outline_step,
    pick_decisions,
    read_id,
    show_run,
    show_step,
)
from xray.reading.paths import answer
from xray.reading.quality import rate_quality
from xray.reading.retention import foresee_retention, let_expire
from xray.reading.rule_answers import survey_rules
from xray.reading.run_answers import (
    diff_runs,
    explain_candidate,
    find_alike,
    list_findings,
    trace_candidate,
    try_limits,
    verify_run,
)
from xray.reading.separation_answers import separate
from xray.reading.shelf import Shelf, open_run, put_up_shelf, take_down_shelf

__all__ = [
    "PREFIX",
    "DecisionList",
    "Parameters",
    "RunList",
    "Shelf",
    "StepList",
    "aggregate",
    "answer",
    "audit_choices",
    "compare_groups",
    "diff_runs",
    "explain_candidate",
    "find_alike",
    "find_run",
    "foresee_retention",
    "forget",
    "let_expire",
    "list_decisions",
    "list_findings",
    "list_labels",
    "list_runs",
    "list_steps",
    "make_labels",
    "measure_flakiness",
    "open_run",
    "outline_step",
    "pick_decisions",
    "put_up_shelf",
    "rate_quality",
    "read_id",
    "report_labels",
    "separate",
    "show_baselines",
    "show_run",
    "show_step",
    "survey_rules",
    "take_down_shelf",
    "trace_candidate",
    "try_limits",
    "try_limits_on_runs",
    "verify_run",
]
