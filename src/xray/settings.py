"""The settings of a client: name, environment variable, default and meaning in one table.

An argument counts more than `xray.configure(...)`, that more than the environment, that more than
the file `xray.toml` (or the one `XRAY_CONFIG` names), that more than the default. A value that
cannot be used is warned about once, and what counts next is taken.

Where records and the key go is never read from an `xray.toml` that merely lies in the working
directory, because whoever can write there would receive both.
"""

from __future__ import annotations

import importlib
import os
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final, Literal, get_args

from xray.capture.guard import warn
from xray.capture.redaction import RedactionHook
from xray.delivery.settings import OfflineMode, OnFull, SyncPolicy
from xray.errors import ConfigurationError
from xray.model.ids import canonical_id
from xray.model.vocabulary import CAPTURE_LEVELS, CaptureLevel, parse_capture_level
from xray.wire.address import DEFAULT_URL, check_destination

LogLevel = Literal["debug", "info", "warning", "error", "critical"]

OFFLINE_MODES: Final[tuple[OfflineMode, ...]] = ("buffer", "silent", "fail")
ON_FULL: Final[tuple[OnFull, ...]] = get_args(OnFull)
SYNC_POLICIES: Final[tuple[SyncPolicy, ...]] = get_args(SyncPolicy)
LOG_LEVELS: Final[tuple[LogLevel, ...]] = get_args(LogLevel)
_MAX_TEXT_LENGTH: Final = 256
_MAX_FILE_BYTES: Final = 65_536
_MAX_PATH_LENGTH: Final = 4_096
_MIN_SPOOL_BYTES: Final = 1 << 20
_MIN_SHARE: Final = 1e-9
_MAX_NUMBER_LENGTH: Final = 40
_DESTINATION: Final = ("url", "api_key", "spool_dir")
_TRUE: Final = ("1", "true", "yes", "on")
_FALSE: Final = ("0", "false", "no", "off", "")


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSettings:
    """How a client records and delivers.

    Args:
        url: the server's address, or a database file to record into: `sqlite:///runs.db`.
        api_key: the server's key.
        capture: `minimal`, `sample` or `full`, where a step does not say.
        offline_mode: `buffer` keeps and tries again, `silent` drops and counts, `fail` raises.
        environment: where the pipeline runs.
        repository: where its code lives.
        version: the version of that code.
        disabled: True records nothing at all.
        log: the level of the logger `xray`; untouched when None.
        spool_dir: where records wait on disk while no server takes them; the user's state
            directory when None.
        max_spool_bytes: how much of the disk they may take.
        spool_sync: when they are forced to disk: `interval` (within a second), `always`, `never`.
        on_full: with no room left, `drop` records and count them, or let the pipeline `wait`.
        durable_exit: write each run to disk before it ends; None: where processes may be frozen
            or killed without notice.
        sample: which share of the runs is kept, from 0 to 1; the others are only counted.
        keep: queries; a run that meets one when it ends is kept besides.
        watch: ids of candidates; a run that decides one is kept besides.
        redact: called with each key and value before anything is kept.
        redact_keys: words that make a key telling, besides the built-in ones.
        allow_keys: whole keys whose values are kept although their words are telling.
    """

    url: str = DEFAULT_URL
    api_key: str | None = None
    capture: CaptureLevel = "sample"
    offline_mode: OfflineMode = "buffer"
    environment: str | None = None
    repository: str | None = None
    version: str | None = None
    disabled: bool = False
    log: LogLevel | None = None
    spool_dir: str | None = None
    max_spool_bytes: int = 256 << 20
    spool_sync: SyncPolicy = "interval"
    on_full: OnFull = "drop"
    durable_exit: bool | None = None
    sample: float = 1.0
    keep: tuple[str, ...] = ()
    watch: tuple[str, ...] = ()
    redact: RedactionHook | None = None
    redact_keys: tuple[str, ...] = ()
    allow_keys: tuple[str, ...] = ()


CONFIG_VARIABLE: Final = "XRAY_CONFIG"
VARIABLES: Final[dict[str, str]] = {
    "url": "XRAY_URL",
    "api_key": "XRAY_API_KEY",
    "capture": "XRAY_CAPTURE",
    "offline_mode": "XRAY_OFFLINE_MODE",
    "environment": "XRAY_ENVIRONMENT",
    "repository": "XRAY_REPOSITORY",
    "version": "XRAY_VERSION",
    "disabled": "XRAY_DISABLED",
    "log": "XRAY_LOG",
    "spool_dir": "XRAY_SPOOL_DIR",
    "max_spool_bytes": "XRAY_MAX_SPOOL_BYTES",
    "spool_sync": "XRAY_SPOOL_SYNC",
    "on_full": "XRAY_ON_FULL",
    "durable_exit": "XRAY_DURABLE_EXIT",
    "sample": "XRAY_SAMPLE",
}


def _read_url(value: object) -> str:
    if not isinstance(value, str):
        raise ConfigurationError("The server's address must be text.")
    return check_destination(value)


def _read_text(value: object) -> str | None:
    # Undecodable bytes of the environment arrive as characters that no server would take.
    if isinstance(value, str) and value.isprintable() and len(value) <= _MAX_TEXT_LENGTH:
        return value or None
    raise ConfigurationError(f"It must be printable text of at most {_MAX_TEXT_LENGTH} characters.")


def _read_key(value: object) -> str | None:
    if isinstance(value, str) and value.isascii() and value.isprintable() and " " not in value:
        return value or None
    raise ConfigurationError("It must be ASCII characters without spaces.")


def _read_level(value: object) -> CaptureLevel:
    level = parse_capture_level(value) if isinstance(value, str) else None
    if level is None:
        raise ConfigurationError(f"It must be one of {', '.join(CAPTURE_LEVELS)}.")
    return level


def _read_mode(value: object) -> OfflineMode:
    for mode in OFFLINE_MODES:
        if isinstance(value, str) and value.strip().lower() == mode:
            return mode
    raise ConfigurationError(f"It must be one of {', '.join(OFFLINE_MODES)}.")


def _read_log_level(value: object) -> LogLevel:
    for level in LOG_LEVELS:
        if isinstance(value, str) and value.strip().lower() == level:
            return level
    raise ConfigurationError(f"It must be one of {', '.join(LOG_LEVELS)}.")


def _read_flag(value: object) -> bool:
    if isinstance(value, bool):
        return value
    word = value.strip().lower() if isinstance(value, str) else None
    if word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise ConfigurationError("It must be 1 or 0.")


def _read_path(value: object) -> str | None:
    if isinstance(value, Path):
        value = str(value)
    if isinstance(value, str) and value.isprintable() and len(value) <= _MAX_PATH_LENGTH:
        return value or None
    raise ConfigurationError("It must be the path of a directory.")


def _read_spool_size(value: object) -> int:
    if isinstance(value, str) and value.strip().isdecimal() and value.isascii():
        value = int(value[:20])
    if isinstance(value, int) and not isinstance(value, bool) and value >= _MIN_SPOOL_BYTES:
        return value
    raise ConfigurationError(f"It must be a number of bytes, at least {_MIN_SPOOL_BYTES}.")


def _read_sync(value: object) -> SyncPolicy:
    for policy in SYNC_POLICIES:
        if isinstance(value, str) and value.strip().lower() == policy:
            return policy
    raise ConfigurationError(f"It must be one of {', '.join(SYNC_POLICIES)}.")


def _read_on_full(value: object) -> OnFull:
    for choice in ON_FULL:
        if isinstance(value, str) and value.strip().lower() == choice:
            return choice
    raise ConfigurationError(f"It must be one of {', '.join(ON_FULL)}.")


def _read_hook(value: object) -> RedactionHook | None:
    if value is None or callable(value):
        return value
    raise ConfigurationError("It must be a function of a key and a value.")


def _read_share(value: object) -> float:
    if isinstance(value, str):
        try:
            value = float(value[:_MAX_NUMBER_LENGTH])
        except ValueError:
            value = None
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        share = float(value)
        if share == 0 or _MIN_SHARE <= share <= 1:
            return share
    raise ConfigurationError("It must be a share from 0 to 1, such as 0.01.")


def _read_queries(value: object) -> tuple[str, ...]:
    given = [value] if isinstance(value, str) else value
    if isinstance(given, (list, tuple)) and all(isinstance(query, str) for query in given):
        return tuple(given)
    raise ConfigurationError("It must be a query or a list of queries.")


def _read_candidates(value: object) -> tuple[str, ...]:
    given = value if isinstance(value, (list, tuple, set, frozenset)) else [value]
    found = [canonical_id(one) for one in given]
    ids = [candidate_id for candidate_id in found if candidate_id is not None]
    if len(ids) == len(found):
        return tuple(sorted(ids))
    raise ConfigurationError("It must be a list of candidate ids.")


def _read_words(value: object) -> tuple[str, ...]:
    if isinstance(value, (list, tuple, set, frozenset)) and all(
        isinstance(word, str) and any(map(str.isalnum, word)) for word in value
    ):
        return tuple(value)
    raise ConfigurationError("It must be a list of words.")


_READERS: Final[dict[str, Callable[[object], Any]]] = {
    "url": _read_url,
    "api_key": _read_key,
    "capture": _read_level,
    "offline_mode": _read_mode,
    "environment": _read_text,
    "repository": _read_text,
    "version": _read_text,
    "disabled": _read_flag,
    "log": _read_log_level,
    "spool_dir": _read_path,
    "max_spool_bytes": _read_spool_size,
    "spool_sync": _read_sync,
    "on_full": _read_on_full,
    "durable_exit": _read_flag,
    "sample": _read_share,
    "keep": _read_queries,
    "watch": _read_candidates,
    "redact": _read_hook,
    "redact_keys": _read_words,
    "allow_keys": _read_words,
}
assert set(_READERS) == {field.name for field in fields(ClientSettings)}


def check_setting(name: str, value: object) -> None:
    """See whether the setting *name* can be *value*.

    Raises:
        ConfigurationError: it cannot; the message says what it must be.
    """
    _READERS[name](value)


def apply_settings(
    settings: ClientSettings, given: Mapping[str, object], source: str
) -> ClientSettings:
    """*settings* with what *given* says; what cannot be used is warned about and left as it was.

    Args:
        settings: what counts less.
        given: values by setting name; None means not given.
        source: where they came from, for the warning.
    """
    usable: dict[str, Any] = {}
    for name, value in given.items():
        if value is None:
            continue
        reader = _READERS.get(name)
        if reader is None:
            warn(f"setting:{name}", "%s names an unknown setting %r; it is ignored.", source, name)
            continue
        try:
            usable[name] = reader(value)
        except ConfigurationError as error:
            warn(
                f"setting:{name}",
                "%s gives %s a value that cannot be used (%s); it is ignored.",
                source,
                VARIABLES.get(name, name) if source == "The environment" else name,
                error.detail,
            )
    return replace(settings, **usable)


def read_settings(
    configured: Mapping[str, object], environ: Mapping[str, str] | None = None
) -> ClientSettings:
    """The settings of this process: defaults, file, environment, then *configured*."""
    environ = os.environ if environ is None else environ
    settings = apply_settings(ClientSettings(), _read_file(environ), "The configuration file")
    in_environment = {
        name: environ[variable] for name, variable in VARIABLES.items() if environ.get(variable)
    }
    settings = apply_settings(settings, in_environment, "The environment")
    return apply_settings(settings, configured, "xray.configure")


@dataclass(slots=True)
class _FileMemory:
    """What the configuration file said when it was last read, and which state of it that was."""

    state: tuple[object, ...] = ()
    said: dict[str, object] = field(default_factory=dict)


_memory: Final = _FileMemory()


def _read_file(environ: Mapping[str, str]) -> dict[str, object]:
    named = environ.get(CONFIG_VARIABLE)
    path = Path(named or "xray.toml")
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        if named:
            warn("config-file", "XRAY_CONFIG names a file that is not there; it is ignored.")
        return {}
    except (OSError, ValueError):
        warn("config-file", "The configuration file cannot be read; it is ignored.")
        return {}
    # Every client asks; the file is opened again only when it has changed.
    state = (named, found.st_dev, found.st_ino, found.st_mtime_ns, found.st_size)
    if _memory.state != state:
        said = _parse_file(path) if _is_readable(found) else {}
        _memory.said = said if named else _without_destination(said)
        _memory.state = state
    return _memory.said


def _is_readable(found: os.stat_result) -> bool:
    """Whether it is a file of reasonable size; a pipe or a device could be read for ever."""
    if stat.S_ISREG(found.st_mode) and found.st_size <= _MAX_FILE_BYTES:
        return True
    warn("config-file", "The configuration file is too large or no file; it is ignored.")
    return False


def _parse_file(path: Path) -> dict[str, object]:
    try:
        text = path.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        warn("config-file", "The configuration file cannot be read; it is ignored.")
        return {}
    try:
        toml: Any = importlib.import_module("tomllib")  # Python 3.11 and later
    except ImportError:
        warn("config-file", "xray.toml needs Python 3.11 or later; it is ignored.")
        return {}
    try:
        return dict(toml.loads(text))
    except (ValueError, RecursionError):
        warn("config-file", "xray.toml is not valid TOML; it is ignored.")
        return {}


def _without_destination(said: dict[str, object]) -> dict[str, object]:
    ignored = [name for name in _DESTINATION if name in said]
    if ignored:
        warn(
            "config-destination",
            "xray.toml in the working directory names %s, which is ignored: only a file that "
            "XRAY_CONFIG names may say where records go.",
            " and ".join(ignored),
        )
    return {name: value for name, value in said.items() if name not in _DESTINATION}
