"""A test that does not run is told at the end; in CI it fails the session.

Only what a system cannot do, and replays nobody asked for, may be skipped; the reason says which.
"""

from __future__ import annotations

import os

import pytest

ALLOWED_REASONS = (
    "needs fork",
    "needs pipes with names",
    "needs a pseudo-terminal",
    "only Linux says peak memory",
    "this system lets nobody mount a small disk",
    "the file needs tomllib",
    "no world is named",
    "no scenario is named",
)


def list_missing(config: pytest.Config) -> list[str]:
    """What was skipped and should have run, and why it did not."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter is None:
        return []
    missing = []
    for report in reporter.stats.get("skipped", ()):
        *_, reason = report.longrepr
        reason = reason.removeprefix("Skipped: ")
        if reason not in ALLOWED_REASONS:
            missing.append(f"{report.nodeid}: {reason}")
    return missing


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail where everything should be there."""
    if os.environ.get("CI") and session.exitstatus == 0 and list_missing(session.config):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Say what did not run."""
    missing = list_missing(config)
    if not missing:
        return
    terminalreporter.section("NOT TESTED", sep="!", red=True, bold=True)
    for line in missing:
        terminalreporter.line(line)
    verdict = "which fails the session, because CI is set" if os.environ.get("CI") else "see why"
    terminalreporter.line(f"{len(missing)} tests could not run, {verdict}.", red=True, bold=True)
