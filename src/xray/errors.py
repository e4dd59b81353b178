"""Every error X-Ray raises: a stable code, what happened, and what to do next."""

from __future__ import annotations

from typing import ClassVar

__all__ = [
    "ConfigurationError",
    "ConflictError",
    "ForbiddenError",
    "InvalidQueryError",
    "InvalidRecordError",
    "LimitExceededError",
    "NotFoundError",
    "NotReplayableError",
    "ServerError",
    "ServerUnreachableError",
    "StoreBusyError",
    "StoreError",
    "UnauthorizedError",
    "XRayDeliveryError",
    "XRayError",
]


class XRayError(Exception):
    """Something X-Ray was asked to do could not be done.

    Args:
        detail: what happened, one sentence.
        hint: what to do next, one sentence; empty when there is nothing to do.
        code: the stable name programs match on; each subclass has its default.
    """

    default_code: ClassVar[str] = "xray_error"

    def __init__(self, detail: str, *, hint: str = "", code: str | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.hint = hint
        self.code = code or self.default_code

    def __str__(self) -> str:
        return f"{self.detail} {self.hint}".strip()


class ConfigurationError(XRayError):
    """A setting has a value X-Ray cannot use."""

    default_code = "invalid_configuration"


class InvalidRecordError(XRayError):
    """A record that was sent breaks the rules of the wire format or the vocabulary."""

    default_code = "invalid_record"


class LimitExceededError(XRayError):
    """A request is larger than the server accepts."""

    default_code = "too_large"


class InvalidQueryError(XRayError):
    """A question names an unknown field, operator or value.

    Args:
        query: the text of the query, where one was asked.
        at: where in it the fault lies: the first character and the one behind the last.
        parameter: the parameter that it was the value of.
    """

    default_code = "invalid_query"

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        code: str | None = None,
        query: str | None = None,
        at: tuple[int, int] | None = None,
        parameter: str = "q",
    ) -> None:
        super().__init__(detail, hint=hint, code=code)
        self.query = query
        self.at = at
        self.parameter = parameter


class NotFoundError(XRayError):
    """The run, step or candidate that was named is not in the store."""

    default_code = "not_found"


class NotReplayableError(XRayError):
    """What was captured of a call does not suffice to make it again with today's code.

    Args:
        missing: what is missing, by argument.
    """

    default_code = "not_replayable"

    def __init__(
        self,
        detail: str,
        *,
        hint: str = "",
        code: str | None = None,
        missing: dict[str, str] | None = None,
    ) -> None:
        super().__init__(detail, hint=hint, code=code)
        self.missing = missing or {}


class ConflictError(XRayError):
    """A record contradicts one that is already stored under the same id."""

    default_code = "conflict"


class UnauthorizedError(XRayError):
    """The server wants a key, or the one that was sent is not its key."""

    default_code = "unauthorized"


class ForbiddenError(XRayError):
    """The server does not serve requests that come this way."""

    default_code = "forbidden"


class StoreError(XRayError):
    """The storage engine could not do its work."""

    default_code = "store_failed"


class StoreBusyError(StoreError):
    """The store takes no more writes for the moment; the same write may be tried again."""

    default_code = "store_busy"


class ServerUnreachableError(XRayError):
    """No X-Ray server answered at the address."""

    default_code = "server_unreachable"


class ServerError(XRayError):
    """The server answered with an error that has no class of its own here."""

    default_code = "server_error"


class XRayDeliveryError(XRayError):
    """Records could not be delivered, and the client was told to say so (`offline_mode="fail"`)."""

    default_code = "delivery_failed"
