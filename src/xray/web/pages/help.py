"""Help: how to begin, what words mean, how to ask, and every route of the API."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from starlette.requests import Request

from xray.errors import NotFoundError
from xray.query.fields import FIELDS, SCOPES, Field
from xray.query.plan import Scope
from xray.web.addresses import help_page, runs_page, steps_page
from xray.web.page import Link, Page

_REFERENCE: Final = "#/components/schemas/"
_ENTRY: Final = re.compile(r" {8}(\w+): (.*)")
_TYPES: Final = {"duration": "milliseconds", "list": "list of text", "value": "anything"}
_METHODS: Final = ("get", "post", "put", "patch", "delete")


@dataclass(frozen=True, slots=True)
class Example:
    """A query with what it finds.

    Args:
        query: the query.
        finds: what it finds, in words.
        href: the list it yields.
    """

    query: str
    finds: str
    href: str


@dataclass(frozen=True, slots=True)
class HelpModel:
    """How to begin and how to ask.

    Args:
        examples: queries to begin with.
        fields: for each scope its fields.
    """

    examples: Sequence[Example]
    fields: Sequence[tuple[Scope, Sequence[Field]]]

    @staticmethod
    def say_type(one: Field) -> str:
        """What a field's values are, in words."""
        if one.words is not None:
            return ", ".join(one.words.known)
        return _TYPES.get(one.type, one.type)


@dataclass(frozen=True, slots=True)
class Input:
    """A parameter of a route, or a field of a body.

    Args:
        name: its name.
        about: what it means.
        type: what its values are.
        is_required: it may not be missing.
        place: of a parameter, `path` or `query`.
        links: the schemas its type names.
    """

    name: str
    about: str
    type: str
    is_required: bool = False
    place: str = ""
    links: Sequence[Link] = ()


@dataclass(frozen=True, slots=True)
class Route:
    """One route of the API.

    Args:
        name: what the document calls it.
        method: its method.
        path: its path.
        summary: what it does.
        about: more than that.
        inputs: its parameters.
        body: the schema of its body; None without.
        answers: the schema of each status it answers with.
        refusals: the statuses of problems.
    """

    name: str
    method: str
    path: str
    summary: str
    about: str
    inputs: Sequence[Input]
    body: Link | None
    answers: Sequence[tuple[str, Link | None]]
    refusals: Sequence[str]


@dataclass(frozen=True, slots=True)
class ApiModel:
    """The API as its own document describes it.

    Args:
        about: what the API is.
        version: its version.
        routes: its routes, unless a schema is shown.
        schema: the name of the schema that is shown; empty where the routes are.
        schema_about: what it is.
        fields: its fields.
        others: schemas it may be instead, where it is one of several.
    """

    about: str
    version: str
    routes: Sequence[Route]
    schema: str = ""
    schema_about: str = ""
    fields: Sequence[Input] = ()
    others: Sequence[Link] = ()

    @property
    def is_told(self) -> bool:
        """Whether it is said of some field what it means."""
        return any(one.about for one in self.fields)


async def draw_help(_: Request) -> Page:
    """The page of help."""
    fields = [(scope, [one for one in FIELDS if one.scope == scope]) for scope in SCOPES]
    model = HelpModel(examples=list(_list_examples()), fields=fields)
    return Page(template="help.html", title="Help", model=model, section="help")


def _list_examples() -> Iterator[Example]:
    for query, finds in (
        ("status = 'failed' and started_at > 24h", "runs of the last day that failed"),
        ("any(step.output_count = 0)", "runs some step of which kept nothing"),
        ("output.selected = 'laptop_stand_42'", "runs whose output has this value inside"),
        (
            "any(decision.reason = 'price_too_high' and decision.score > 0.8)",
            "runs that rejected a high-scoring candidate for this reason",
        ),
        ("tags has 'nightly' and not (version = '2')", "runs with a tag, of other versions"),
    ):
        yield Example(query, finds, runs_page(q=query))
    for query, finds in (
        ("step_type = 'filter' and rejection_rate > 0.9", "filters that rejected nine in ten"),
        ("duration > 2s and run.environment = 'production'", "slow steps of runs in production"),
        ("name contains 'rank' and exists(error)", "steps of such a name that raised an error"),
    ):
        yield Example(query, finds, steps_page(q=query))


async def draw_api(request: Request) -> Page:
    """The page of the API's routes; with `of=`, of one of its schemas."""
    document: Mapping[str, Any] = request.app.openapi()
    name = request.query_params.get("of", "").strip()
    model = model_schema(document, name) if name else model_api(document)
    trail = (Link("Help", help_page()), *([Link("API", help_page("api"))] if name else []))
    return Page(
        template="help_api.html", title=name or "API", model=model, section="help", trail=trail
    )


def model_api(document: Mapping[str, Any]) -> ApiModel:
    """What the page of the API shows.

    Args:
        document: an OpenAPI document.
    """
    routes = [
        _read_route(path, method, told)
        for path, methods in document["paths"].items()
        for method, told in methods.items()
        if method in _METHODS
    ]
    routes.sort(key=lambda route: (not route.path.startswith("/v1"), route.path, route.method))
    return ApiModel(document["info"]["description"], document["info"]["version"], routes)


def model_schema(document: Mapping[str, Any], name: str) -> ApiModel:
    """What the page of one schema shows.

    Raises:
        NotFoundError: the document has none of that name.
    """
    schema = document["components"]["schemas"].get(name)
    if schema is None:
        raise NotFoundError(f"The API knows no {name[:100]!r}.", hint="/ui/help/api lists routes.")
    required = schema.get("required", [])
    about, meanings = split_description(schema.get("description", ""))
    fields = [
        _read_field(field, told, meanings.get(field, ""), is_required=field in required)
        for field, told in schema.get("properties", {}).items()
    ]
    return ApiModel(
        about=document["info"]["description"],
        version=document["info"]["version"],
        routes=(),
        schema=name,
        schema_about=about,
        fields=fields,
        others=[] if fields else list(_links(schema)),
    )


def _read_route(path: str, method: str, told: Mapping[str, Any]) -> Route:
    answers: list[tuple[str, Link | None]] = []
    refusals: list[str] = []
    for status, answer in told["responses"].items():
        links = list(_links(answer.get("content", {})))
        if status.startswith("2"):
            answers.append((status, links[0] if links else None))
        else:
            refusals.append(status)
    bodies = list(_links(told.get("requestBody", {})))
    return Route(
        name=told["operationId"],
        method=method.upper(),
        path=path,
        summary=told.get("summary", ""),
        about=told.get("description", ""),
        inputs=[_read_parameter(one) for one in told.get("parameters", [])],
        body=bodies[0] if bodies else None,
        answers=answers,
        refusals=refusals,
    )


def _read_parameter(told: Mapping[str, Any]) -> Input:
    return Input(
        name=told["name"],
        about=told.get("description", ""),
        type=say_schema(told.get("schema", {})),
        is_required=bool(told.get("required")),
        place=told["in"],
    )


def split_description(text: str) -> tuple[str, dict[str, str]]:
    """What a schema is, and what each of its fields means, where its description lists them."""
    about, _, listed = text.partition("\n    Args:\n")
    meanings: dict[str, str] = {}
    name = ""
    for line in listed.splitlines():
        entry = _ENTRY.match(line)
        if entry is not None:
            name = entry[1]
            meanings[name] = entry[2]
        elif name and line.strip():
            meanings[name] += f" {line.strip()}"
    return " ".join(about.split()), meanings


def _read_field(name: str, schema: Mapping[str, Any], about: str, *, is_required: bool) -> Input:
    return Input(
        name=name,
        about=about or " ".join(schema.get("description", "").split()),
        type=say_schema(schema),
        is_required=is_required,
        links=list(_links(schema)),
    )


def say_schema(schema: Mapping[str, Any]) -> str:
    """What values a JSON schema takes, in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).removeprefix(_REFERENCE)
    if "enum" in schema:
        return " | ".join(str(word) for word in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return " | ".join(dict.fromkeys(say_schema(one) for one in schema[several]))
    kind = schema.get("type", "anything")
    if kind == "array":
        return f"list of {say_schema(schema.get('items') or {})}"
    inner = schema.get("additionalProperties")
    if kind == "object" and isinstance(inner, dict) and inner:
        return f"map of {say_schema(inner)}"
    return "map" if kind == "object" else str(kind)


def _links(part: object) -> Iterator[Link]:
    """Every schema that a part of the document names, each once."""
    seen: dict[str, None] = {}
    waiting = [part]
    while waiting:
        one = waiting.pop(0)
        if isinstance(one, Mapping):
            name = one.get("$ref")
            if isinstance(name, str):
                seen[name.removeprefix(_REFERENCE)] = None
            waiting.extend(value for key, value in one.items() if key != "description")
        elif isinstance(one, list):
            waiting.extend(one)
    for name in seen:
        yield Link(name, help_page("api", of=name))
