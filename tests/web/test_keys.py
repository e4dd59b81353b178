"""Single keys: what they do, where they rest, and that they can be switched off."""

from __future__ import annotations

from collections.abc import Callable

from playwright.sync_api import Page, expect

from tests.web.conftest import Site

CLIPBOARD = ["clipboard-read", "clipboard-write"]


def test_the_way_to_the_root_cause_needs_no_mouse(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page("/ui/runs?pipeline=competitor_selection")
    bad = page.locator(f'tr[data-run="{site.bad_run}"] th a')
    for _ in range(page.locator("tbody tr").count()):
        page.keyboard.press("j")
        if bad.evaluate("link => link === document.activeElement"):
            break
    expect(bad).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_contain_text("competitor_selection")
    page.keyboard.press("w")
    expect(page.get_by_role("heading", level=1)).to_contain_text(site.bad_match)
    expect(page.get_by_role("heading", level=1)).to_contain_text("stand")


def test_rows_are_left_at_neither_end_and_given_up_with_escape(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/ui/runs")
    first = page.locator("tbody tr th a").first
    page.keyboard.press("j")
    page.keyboard.press("k")
    expect(first).to_be_focused()
    page.keyboard.press("Escape")
    expect(first).not_to_be_focused()


def test_keys_are_letters_while_somebody_types(open_page: Callable[..., Page]) -> None:
    page = open_page("/ui/runs")
    page.keyboard.press("/")
    page.keyboard.type("jkgrd?")
    expect(page.locator(".find input")).to_have_value("jkgrd?")
    page.keyboard.press("Escape")
    page.keyboard.press("f")
    expect(page.locator("form.ask select").first).to_be_focused()
    assert page.url.endswith("/ui/runs")


def test_two_letters_lead_to_places_and_brackets_to_neighbours(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page("/ui/runs")
    page.keyboard.press("g")
    page.keyboard.press("s")
    page.wait_for_url("**/ui/steps")
    page.keyboard.press("g")
    page.keyboard.press("r")
    page.wait_for_url("**/ui/runs")
    links = page.locator("tbody tr th a")
    first, second = (links.nth(at).get_attribute("href") for at in (0, 1))
    links.first.click()
    page.wait_for_url(f"**{first}")
    page.keyboard.press("]")
    page.wait_for_url(f"**{second}")
    page.keyboard.press("[")
    page.wait_for_url(f"**{first}")
    page.goto(f"/ui/runs/{site.bad_run}")
    page.locator("table.steps th a").first.click()
    page.wait_for_url("**/ui/steps/*")
    before = page.url
    page.keyboard.press("]")
    page.wait_for_url(lambda url: url != before)
    page.keyboard.press("[")
    page.wait_for_url(before)


def test_the_theme_that_a_key_chose_is_remembered(open_page: Callable[..., Page]) -> None:
    page = open_page("/ui/runs", color_scheme="light")
    root = page.locator("html")
    page.keyboard.press("d")
    expect(root).to_have_attribute("data-theme", "light")
    page.keyboard.press("d")
    expect(root).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(root).to_have_attribute("data-theme", "dark")
    page.keyboard.press("d")
    expect(root).not_to_have_attribute("data-theme", "dark")


def test_the_call_and_the_address_are_copied_and_the_page_says_so(
    open_page: Callable[..., Page], site: Site
) -> None:
    page = open_page(f"/ui/runs/{site.bad_run}", permissions=CLIPBOARD)
    page.keyboard.press("c")
    expect(page.get_by_role("status").last).to_have_text("Copied")
    copied = page.evaluate("navigator.clipboard.readText()")
    assert copied.startswith("curl -s")
    assert f"/v1/runs/{site.bad_run}" in copied
    page.keyboard.press("y")
    expect(page.get_by_role("status").last).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()") == page.url
    page.get_by_text("The API call behind this page").click()
    button = page.get_by_role("button", name="Copy Python").first
    button.click()
    expect(button).to_have_text("Copied")
    assert page.evaluate("navigator.clipboard.readText()").startswith("import xray")


def test_a_question_mark_lists_the_keys_and_they_can_be_switched_off(
    open_page: Callable[..., Page],
) -> None:
    page = open_page("/ui/runs")
    page.keyboard.press("?")
    dialog = page.get_by_role("dialog", name="Keys")
    expect(dialog).to_be_visible()
    expect(dialog.locator("dt")).to_have_count(16)
    dialog.get_by_label("Single keys do something").uncheck()
    page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    page.keyboard.press("/")
    page.reload()
    page.keyboard.press("?")
    expect(page.locator(".find input")).not_to_be_focused()
    expect(dialog).to_be_hidden()
    page.get_by_role("button", name="Keys").click()
    dialog.get_by_label("Single keys do something").check()
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("/")
    expect(page.locator(".find input")).to_be_focused()
