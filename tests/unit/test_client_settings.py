"""Where a client's settings come from, and what becomes of one that cannot be used."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import xray
from xray import session
from xray.capture import guard
from xray.errors import ConfigurationError
from xray.settings import (
    VARIABLES,
    ClientSettings,
    apply_settings,
    check_setting,
    read_settings,
)
from xray.testing.sink import MemorySink

GARBAGE = {
    "XRAY_URL": "not an address",
    "XRAY_API_KEY": "line\nbreak",
    "XRAY_CAPTURE": "everything",
    "XRAY_OFFLINE_MODE": "pray",
    "XRAY_ENVIRONMENT": "\udcff\udcfe",
    "XRAY_REPOSITORY": "x" * 10_000,
    "XRAY_VERSION": "1\x1b[31m",
    "XRAY_DISABLED": "perhaps",
    "XRAY_LOG": "shouting",
    "XRAY_SPOOL_DIR": "\x1b[31m",
    "XRAY_MAX_SPOOL_BYTES": "plenty",
    "XRAY_SPOOL_SYNC": "sometimes",
    "XRAY_ON_FULL": "panic",
    "XRAY_DURABLE_EXIT": "perhaps",
    "XRAY_SAMPLE": "often",
}
PROGRAM = """
import logging, sys
logging.basicConfig(stream=sys.stderr, format="%(name)s|%(message)s")
import xray
from xray.testing.sink import MemorySink
sink = MemorySink()
for _ in range(3):
    with xray.XRay("p", sink=sink).run(input=1) as run:
        with run.step("s", "filter") as step:
            step.reject("a", "r")
print(len(sink.finished_runs), sink.steps[0].capture, sink.runs[0].environment)
"""


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    for variable in (*VARIABLES.values(), "XRAY_CONFIG"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(guard, "_last_said_s", {})
    monkeypatch.setattr(session._configuration, "given", {})
    level = guard.logger.level
    yield
    guard.logger.setLevel(level)


def recorded_environment(**settings: object) -> str | None:
    sink = MemorySink()
    with xray.XRay("p", sink=sink, **settings).run():
        pass
    return sink.runs[0].environment


def test_an_argument_beats_configure_beats_environment_beats_file_beats_default(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert recorded_environment() is None
    if sys.version_info >= (3, 11):
        (tmp_path / "xray.toml").write_text('environment = "file"\n')
        assert recorded_environment() == "file"
    monkeypatch.setenv("XRAY_ENVIRONMENT", "variable")
    assert recorded_environment() == "variable"
    xray.configure(environment="configured")
    assert recorded_environment() == "configured"
    assert recorded_environment(environment="argument") == "argument"


def test_an_argument_that_cannot_be_used_leaves_what_counts_next(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XRAY_ENVIRONMENT", "variable")
    assert recorded_environment(environment=17) == "variable"
    assert len(caplog.records) == 1
    assert "environment" in caplog.text


def test_an_unknown_setting_is_named_and_ignored(caplog: pytest.LogCaptureFixture) -> None:
    assert recorded_environment(enviroment="typo") is None
    assert "'enviroment'" in caplog.text


def test_an_empty_variable_counts_as_absent(caplog: pytest.LogCaptureFixture) -> None:
    environ = dict.fromkeys(VARIABLES.values(), "")
    assert read_settings({}, environ) == ClientSettings()
    assert not caplog.records


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_a_garbage_variable_is_warned_about_once_and_the_default_used(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    environ = {VARIABLES[name]: GARBAGE[VARIABLES[name]]}
    assert read_settings({}, environ) == ClientSettings()
    assert read_settings({}, environ) == ClientSettings()
    (warning,) = caplog.messages
    assert VARIABLES[name] in warning


def test_a_key_that_cannot_be_used_is_never_shown(caplog: pytest.LogCaptureFixture) -> None:
    apply_settings(ClientSettings(), {"api_key": "s3cret key"}, "The environment")
    assert "XRAY_API_KEY" in caplog.text
    assert "s3cret" not in caplog.text


def test_all_garbage_together_breaks_neither_import_nor_runs(tmp_path: Path) -> None:
    assert set(GARBAGE) == set(VARIABLES.values())
    environ = {**os.environ, **GARBAGE, "XRAY_CONFIG": "/no/such/file"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM],
        env=environ,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout == "3 sample None\n"
    warnings = [line for line in done.stderr.splitlines() if line.startswith("xray|")]
    assert len(warnings) == len(done.stderr.splitlines()) == len(GARBAGE) + 1
    for variable in environ.keys() & {*GARBAGE, "XRAY_CONFIG"}:
        assert len([line for line in warnings if variable in line]) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the file needs tomllib")
@pytest.mark.parametrize("text", [b"environment = ", b"\xff\xfe", b"environment = 5\n"])
def test_a_broken_file_is_warned_about_once_and_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: bytes
) -> None:
    (tmp_path / "xray.toml").write_bytes(text)
    assert read_settings({}, {}) == ClientSettings()
    assert read_settings({}, {}) == ClientSettings()
    assert len(caplog.records) == 1


@pytest.mark.skipif(sys.version_info < (3, 11), reason="the file needs tomllib")
def test_another_file_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "other.toml"
    path.write_text('capture = "full"\ndisabled = true\nlog = "error"\n')
    settings = read_settings({}, {"XRAY_CONFIG": str(path)})
    assert (settings.capture, settings.disabled, settings.log) == ("full", True, "error")


def test_xray_capture_is_the_level_of_steps_that_do_not_say(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XRAY_CAPTURE", "MINIMAL")
    sink = MemorySink()
    with xray.XRay("p", sink=sink).run() as run:
        with run.step("quiet", "filter"):
            pass
        with run.step("loud", "filter", capture="full"):
            pass
    assert [step.capture for step in sink.steps] == ["minimal", "full"]


def test_xray_offline_mode_is_the_mode_of_the_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XRAY_OFFLINE_MODE", "fail")
    assert read_settings({}).offline_mode == "fail"
    assert read_settings({"offline_mode": "silent"}).offline_mode == "silent"


def test_xray_log_sets_the_level_of_the_logger(monkeypatch: pytest.MonkeyPatch) -> None:
    guard.logger.setLevel(logging.NOTSET)
    recorded_environment()
    assert guard.logger.level == logging.NOTSET
    monkeypatch.setenv("XRAY_LOG", "Error")
    recorded_environment()
    assert guard.logger.level == logging.ERROR


def test_xray_log_that_names_no_level_is_warned_about_once(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("XRAY_LOG", "shouting")
    recorded_environment()
    recorded_environment()
    assert [message for message in caplog.messages if "XRAY_LOG" in message] == caplog.messages
    assert len(caplog.messages) == 1


def test_a_redaction_hook_must_be_callable(caplog: pytest.LogCaptureFixture) -> None:
    recorded_environment(redact="yes please")
    assert "redact" in caplog.text


needs_toml = pytest.mark.skipif(sys.version_info < (3, 11), reason="the file needs tomllib")


@needs_toml
def test_a_file_that_merely_lies_there_sends_records_and_key_nowhere(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "xray.toml").write_text(
        'url = "http://127.0.0.1:9"\napi_key = "theirs"\nenvironment = "staging"\n'
    )
    for _ in range(2):
        settings = read_settings({}, {"XRAY_API_KEY": "ours"})
        assert settings == ClientSettings(api_key="ours", environment="staging")
    [warning] = caplog.messages
    assert "url and api_key" in warning
    assert "XRAY_CONFIG" in warning
    assert "theirs" not in warning


@needs_toml
def test_a_file_that_is_named_may_say_where_records_go(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "xray.toml").write_text('url = "http://127.0.0.1:9"\napi_key = "k"\n')
    settings = read_settings({}, {"XRAY_CONFIG": "xray.toml"})
    assert (settings.url, settings.api_key) == ("http://127.0.0.1:9", "k")
    assert read_settings({}, {}) == ClientSettings()
    assert len(caplog.messages) == 1


@needs_toml
def test_the_file_is_opened_again_only_when_it_has_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "xray.toml"
    opened = []
    read_text = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, *rest: opened.append(self) or read_text(self, *rest)
    )
    path.write_text('environment = "one"\n')
    assert [read_settings({}, {}).environment for _ in range(3)] == ["one"] * 3
    assert len(opened) == 1
    path.write_text('environment = "three"\n')
    assert read_settings({}, {}).environment == "three"
    path.unlink()
    assert read_settings({}, {}).environment is None
    assert len(opened) == 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes with names")
def test_a_pipe_or_folder_in_place_of_the_file_is_never_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    os.mkfifo(tmp_path / "xray.toml")
    assert read_settings({}, {}) == ClientSettings()
    assert read_settings({}, {"XRAY_CONFIG": str(tmp_path)}) == ClientSettings()
    assert len(caplog.messages) == 1


@needs_toml
@pytest.mark.parametrize("text", ["x = " + "[" * 5_000, "# " + "x" * 70_000])
def test_a_monstrous_file_is_ignored(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, text: str
) -> None:
    (tmp_path / "xray.toml").write_text(text)
    assert read_settings({}, {}) == ClientSettings()
    assert len(caplog.messages) == 1


def test_a_client_reads_its_settings_when_it_first_records(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sink = MemorySink()
    client = xray.XRay("p", sink=sink)
    xray.configure(environment="told later")
    client.start().finish()
    xray.configure(environment="too late")
    client.start().finish()
    assert [run.environment for run in sink.runs] == ["told later"] * 2


def test_a_step_beats_its_client() -> None:
    sink = MemorySink()
    client = xray.XRay("p", sink=sink, capture="full")
    with client.run() as run:
        for capture in (None, "minimal", "SAMPLE"):
            with run.step("s", "filter", capture=capture):
                pass
    assert [step.capture for step in sink.steps] == ["full", "minimal", "sample"]


@pytest.mark.parametrize("value", [-0.1, 1.1, 1e-12, float("nan"), "nan", "1e400", True, [0.1]])
def test_a_share_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ConfigurationError):
        check_setting("sample", value)


@pytest.mark.parametrize("value", [0, 1, "0.01", " 1e-3 ", "0", 1e-9])
def test_a_share_is_a_number_from_0_to_1(value: object) -> None:
    assert apply_settings(ClientSettings(), {"sample": value}, "here").sample == float(str(value))


def test_what_is_kept_besides_is_one_or_several(caplog: pytest.LogCaptureFixture) -> None:
    given = {"keep": "status = 'failed'", "watch": [12, "p1", ("a", 1)]}
    settings = apply_settings(ClientSettings(), given, "here")
    assert settings.keep == ("status = 'failed'",)
    assert settings.watch == ("12", '["a",1]', "p1")
    assert apply_settings(ClientSettings(), {"watch": "p1"}, "here").watch == ("p1",)
    assert caplog.text == ""
    settings = apply_settings(settings, {"keep": [1], "watch": [1.5]}, "here")
    assert (settings.keep, settings.watch) == (("status = 'failed'",), ("12", '["a",1]', "p1"))
    assert "query" in caplog.text
    assert "candidate ids" in caplog.text
