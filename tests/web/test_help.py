"""Help, the API's reference and the settings."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from contextlib import closing
from html import unescape
from pathlib import Path
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, expect

from tests.contract.http.api import Api
from tests.web.conftest import Site, open_pages
from xray.server.serving import BackgroundServer
from xray.server.settings import ServerSettings
from xray.web.pages.help import say_schema, split_description

DOCUMENT = Path(__file__).parents[2] / "spec" / "openapi.json"


def show(site: Site, path: str) -> str:
    answer = site.api.ask("GET", path)
    assert answer.status == 200, answer.content
    return unescape(answer.content.decode())


def test_help_names_this_server_and_each_of_its_queries_is_answered(site: Site) -> None:
    body = show(site, "/ui/help")
    assert f"XRAY_URL={site.url}" in body
    examples = re.findall(r'<td><a href="(/ui/(?:runs|steps)\?q=[^"]+)">', body)
    assert len(examples) >= 6
    for href in examples:
        assert site.api.ask("GET", href).status == 200, href
    for word in ("known", "inferred", "unknown", "by roster"):
        assert f">{word}<" in body


def test_every_route_and_every_schema_of_the_document_has_its_place(site: Site) -> None:
    document = json.loads(DOCUMENT.read_text())
    body = show(site, "/ui/help/api")
    for path, methods in document["paths"].items():
        for method, told in methods.items():
            assert f'id="{told["operationId"]}"' in body, (method, path)
            for one in told.get("parameters", []):
                assert f"<code>{one['name']}</code>" in body
    for name in document["components"]["schemas"]:
        schema = show(site, f"/ui/help/api?{urlencode({'of': name})}")
        for field in document["components"]["schemas"][name].get("properties", {}):
            assert f"<code>{field}</code>" in schema, (name, field)


def test_a_schema_nobody_knows_is_said_to_be_missing(site: Site) -> None:
    assert site.api.ask("GET", "/ui/help/api?of=%3Cscript%3E").status == 404


def test_schemas_are_said_in_words() -> None:
    assert say_schema({"anyOf": [{"type": "string"}, {"type": "null"}]}) == "string | null"
    assert say_schema({"type": "array", "items": {"$ref": "#/components/schemas/Step"}}) == (
        "list of Step"
    )
    assert say_schema({"type": "object", "additionalProperties": {"type": "integer"}}) == (
        "map of integer"
    )
    assert say_schema({}) == "anything"


def test_the_meaning_of_a_field_stands_beside_it(site: Site) -> None:
    body = show(site, "/ui/help/api?of=FigureGroup")
    assert "how many of them were not kept, and counted from tallies." in body
    assert "Args:" not in body
    assert "<code>mean(rejection_rate)</code>" in body
    told = "A thing.\n\n    Args:\n        a: one\n            and more\n        b: two: three"
    assert split_description(told) == ("A thing.", {"a": "one and more", "b": "two: three"})


def test_settings_show_what_the_server_was_told_and_never_its_key(tmp_path: Path) -> None:
    place = f"sqlite:///{tmp_path / 'xray.db'}"
    settings = ServerSettings(store=place, port=0, api_key="s3cret-key")
    with (
        BackgroundServer(settings) as server,
        closing(Api(server.url)) as api,
    ):
        key = {"Authorization": "Bearer s3cret-key"}
        body = unescape(api.ask("GET", "/ui/settings", headers=key).content.decode())
    assert place in body
    assert "s3cret" not in body
    assert re.search(r"XRAY_API_KEY</code></th><td[^>]*>set<", body)
    assert "10.5 MB" in body
    assert "Log out" not in body


def test_who_logged_in_can_log_out(browser: Browser, tmp_path: Path) -> None:
    settings = ServerSettings(store=f"sqlite:///{tmp_path / 'xray.db'}", port=0, api_key="key-1")
    with BackgroundServer(settings) as server, open_pages(browser, server.url) as open_page:
        page = open_page("/ui/settings")
        page.get_by_label("Key").fill("key-1")
        page.get_by_role("button", name="Log in").click()
        expect(page.get_by_role("heading", name="Settings")).to_be_visible()
        page.get_by_role("button", name="Log out").click()
        expect(page.get_by_label("Key")).to_be_visible()
        page.goto("/ui/settings")
        expect(page.get_by_label("Key")).to_be_visible()


def test_colours_and_keys_are_switched_on_the_settings_page(open_page: Callable[..., Page]) -> None:
    page = open_page("/ui/settings", color_scheme="light")
    expect(page.get_by_label("as the system has them")).to_be_checked()
    page.get_by_label("dark", exact=True).check()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.get_by_label("Single keys do something").uncheck()
    page.goto("/ui/help")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page.get_by_label("Single keys do something")).not_to_be_checked()
    expect(page.locator("[data-keys-list] dt")).to_have_count(16)


def test_help_works_without_scripts(open_page: Callable[..., Page]) -> None:
    page = open_page("/ui/settings", java_script_enabled=False)
    expect(page.get_by_role("heading", name="Server")).to_be_visible()
    expect(page.get_by_label("dark", exact=True)).to_be_hidden()
    page.get_by_role("link", name="Help").click()
    expect(page.get_by_text("Keys need JavaScript")).to_be_visible()
