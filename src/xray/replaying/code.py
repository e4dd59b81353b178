"""Today's code: the function a recorded call is made again with, found by where it is."""

from __future__ import annotations

import importlib
import importlib.util
import inspect
import re
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from msgspec import Struct

from xray.capture.wrapping import DECORATED
from xray.errors import NotReplayableError
from xray.replaying.memory import MemorySink
from xray.session import recording_into

_LOCAL: Final = "<locals>"
_NAME: Final = re.compile(r"([^\W\d]\w*)(\(\))?")
_HOW: Final = "Say where it is: --code module:function, or --code path/to/file.py:function."


class Code(Struct, frozen=True):
    """A function, and where it is."""

    name: str
    function: Callable[..., Any]


def find_code(given: Callable[..., Any] | str | None, recorded: str | None, step: str) -> Code:
    """Today's function for a step.

    Args:
        given: the function, or where it is; None looks where the recorded one was.
        recorded: where that was, if it is known.
        step: the step's name: what the function is called where nothing else says so.

    Raises:
        NotReplayableError: there is none; it says where it was looked for.
    """
    if given is not None and not isinstance(given, str):
        module = getattr(given, "__module__", None) or ""
        name = getattr(given, "__qualname__", None) or type(given).__qualname__
        return Code(f"{module}:{name}", given)
    place = _complete(given, recorded, step)
    found = _find(place)
    if not callable(found):
        raise NotReplayableError(f"{place} is no function.", hint=_HOW)
    is_named_here = given is not None and _read_place(given).path
    if not is_named_here and not hasattr(found, DECORATED):
        # A record comes from whoever may write to the server, and may name any function there is.
        raise NotReplayableError(
            f"{place} is not decorated, so it is not called on a record's word alone.",
            hint=f"Decorate it, @xray_step, or say that it is meant: --code {place}.",
        )
    if _is_unbound(place, found):
        cls, _, method = place.path.rpartition(".")
        raise NotReplayableError(
            f"{place} is a method, and the object it was called on is not captured.",
            hint=f"Say which object to call it on: --code '{place.where}:{cls}().{method}' makes "
            "one; any function without arguments may make it, or a variable may hold it.",
        )
    return Code(str(place), found)


class _Place(Struct, frozen=True):
    """A module, or the path of a file, and what is in it."""

    where: str
    path: str

    def __str__(self) -> str:
        return f"{self.where}:{self.path}"

    @property
    def is_file(self) -> bool:
        return self.where.endswith(".py")


def _read_place(text: str) -> _Place:
    if text.endswith(".py"):
        return _Place(text, "")
    # The path of a file may hold a colon of its own.
    where, _, path = text.rpartition(":") if ".py:" in text else text.partition(":")
    return _Place(where, path)


def _complete(given: str | None, recorded: str | None, step: str) -> _Place:
    if given is None and recorded is None:
        raise NotReplayableError(
            f"{step} was not recorded as the call of a decorated function, so which code to run is "
            "not known.",
            hint=_HOW,
        )
    known = None if recorded is None else _read_place(recorded)
    if known is not None and "(" in known.path:
        # A record names what was called; that something is called to find it, only a person says.
        raise NotReplayableError(f"{recorded!r} names no code.", hint=_HOW)
    place = known if given is None else _read_place(given)
    assert place is not None
    if not place.path:
        place = _Place(place.where, known.path if known else step)
    if _LOCAL in place.path:
        raise NotReplayableError(
            f"{place} was defined inside another function, where it cannot be found.", hint=_HOW
        )
    is_here = Path(place.where).name == place.where and Path(place.where).is_file()
    if given is None and place.is_file and not is_here:
        raise NotReplayableError(
            f"{step} was recorded in the script {place.where}, which is not in this folder.",
            hint=f"Say where it is: --code path/to/{Path(place.where).name}.",
        )
    return place


def find_object(place: str) -> object:
    """What *place* names: `module:name.name`, where a name may be called: `module:make().name`.

    What importing it or making it records goes nowhere.

    Args:
        place: a module, or the path of a file, and what is in it.

    Raises:
        NotReplayableError: there is no such thing, or importing it or calling it failed.
    """
    return _find(_read_place(place))


def _find(place: _Place) -> object:
    where, path = place.where, place.path
    names = [_NAME.fullmatch(part) for part in path.split(".")]
    if not where or not all(names):
        raise NotReplayableError(f"{str(place)!r} names no code.", hint=_HOW)
    with recording_into(MemorySink()):
        found: object = _load_file(where) if place.is_file else _load_module(where)
        for name in names:
            assert name is not None
            if not hasattr(found, name[1]):
                raise NotReplayableError(f"{where} has no {path}.", hint=_HOW)
            found = getattr(found, name[1])
            if name[2] and callable(found):
                found = _make(found, place)
    return found


def _make(factory: Callable[[], object], place: _Place) -> object:
    try:
        return factory()
    except Exception as error:
        raise _tell_failure(f"{place.path} of {place.where} could not be made", error) from error


def _load_module(name: str) -> ModuleType:
    _look_here("")
    try:
        return importlib.import_module(name)
    except Exception as error:
        if isinstance(error, ModuleNotFoundError) and error.name in (name, name.partition(".")[0]):
            raise NotReplayableError(
                f"There is no module {name} here.",
                hint="Run this in the folder of your code, set PYTHONPATH, or give --code.",
            ) from error
        raise _tell_failure(f"{name} cannot be imported", error) from error


def _load_file(path: str) -> ModuleType:
    file = Path(path).resolve()
    if not file.is_file():
        raise NotReplayableError(f"There is no file {path}.", hint=_HOW)
    for module in [*sys.modules.values()]:
        if getattr(module, "__file__", None) == str(file) and module.__name__ != "__main__":
            return module
    _look_here(str(file.parent))
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Annotations and pickles look their module up by name.
    sys.modules[file.stem] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[file.stem]
        raise _tell_failure(f"{path} cannot be imported", error) from error
    return module


def _look_here(folder: str) -> None:
    """Let modules be imported from *folder*, as a program started there would; "" is this one."""
    if folder not in sys.path:
        sys.path.insert(0, folder)


def _tell_failure(what: str, error: Exception) -> NotReplayableError:
    return NotReplayableError(f"{what}: {type(error).__name__}: {error}.")


def _is_unbound(place: _Place, found: object) -> bool:
    """Whether *found* is a method taken from its class, which lacks the object to be called on."""
    if not inspect.isfunction(found) or "." not in place.path:
        return False
    return next(iter(inspect.signature(found).parameters), None) == "self"
