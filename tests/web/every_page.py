"""An address of every page there is, over what the tests recorded."""

from __future__ import annotations

from urllib.parse import quote, urlencode

from tests.web.shoe_shop import Shop
from xray.web.addresses import ROOT
from xray.web.routes import PAGES

FRAGMENTS = frozenset({f"{ROOT}/steps/{{step_id}}/rows"})
"""Parts of pages: they are looked at within the page that loads them."""

FILES = frozenset({f"{ROOT}/runs/{{run_id}}/export"})
"""Pages that a browser saves instead of showing them."""

PAIR = urlencode({"a": "pipeline = 'shoes' and version = '1.4'", "b": "version = '1.5'"})
SHOES = urlencode({"q": "pipeline = 'shoes'"})


def paths_of(shop: Shop) -> dict[str, list[str]]:
    """Addresses by the route that draws them; of some routes several, as they show other parts."""
    run = f"{ROOT}/runs/{shop.after}"
    find_step, large_step = shop.step(shop.after, "filter"), shop.step(shop.large, "filter")
    shoe = quote(f"shoe_{7 % 15}_3")
    labelled = f"{ROOT}/runs/{shop.labelled}"
    paths = {
        "runs": ["runs?pipeline=shoes&limit=5", "runs?pipeline=nothing"],
        "runs/{run_id}": [f"runs/{shop.labelled}", f"runs/{shop.unnamed}"],
        "steps": ["steps?limit=4", "steps?rejection_rate_gt=2"],
        "steps/{step_id}": [f"steps/{find_step}", f"steps/{large_step}?limit=5"],
        "steps/{step_id}/rows": [f"steps/{find_step}/rows?at=0,1,2"],
        "decisions": [f"decisions?candidate_id={shoe}&limit=4"],
        "search": ["search?q=shoes", "search?q=nothing+at+all"],
        "trends": ["trends?pipeline=shoes", "trends?pipeline=shoes&step=rank&metric=reasons"],
        "help": ["help"],
        "help/api": ["help/api"],
        "settings": ["settings"],
        "diff": ["diff", f"diff?a={shop.before}&b={shop.after}"],
        "compare": ["compare", f"compare?{PAIR}"],
        "rules": ["rules", "rules?pipeline=shoes&since_version=1.5"],
        "separate": [f"separate?{PAIR}", f"separate?run_id={shop.after}&step=filter"],
        "quality": [f"quality?{SHOES}&k=5"],
        "audit": [f"audit?{SHOES}&runs=40"],
        "labels": ["labels"],
        "baselines": ["baselines", "baselines?pipeline=shoes&days=7"],
        "flakiness": [f"flakiness?{SHOES}&runs=40", f"flakiness?{SHOES}&runs=4"],
        "what-if": ["what-if?pipeline=shoes&limit=price%3D90"],
    }
    found = {f"{ROOT}/{name}": [f"{ROOT}/{path}" for path in of] for name, of in paths.items()}
    one = f"{ROOT}/runs/{{run_id}}"
    found[f"{one}/findings"] = [f"{run}/findings"]
    found[f"{one}/export"] = [f"{run}/export"]
    found[f"{one}/case"] = [f"{labelled}/case", f"{ROOT}/runs/{shop.large}/case?candidate=shoe_0_9"]
    found[f"{one}/why"] = [f"{labelled}/why?candidate=shoe_7_3", f"{run}/why?candidate=nobody"]
    found[f"{one}/alike"] = [f"{labelled}/alike?candidate=shoe_7_3"]
    found[f"{one}/provenance"] = [f"{ROOT}/runs/{shop.chained}/provenance?candidate=boot"]
    found[f"{one}/what-if"] = [f"{run}/what-if", f"{run}/what-if?limit=price_too_high%3D90"]
    assert set(found) == set(PAGES), "a page without an address to look at it"
    return found


def shown_pages(shop: Shop) -> dict[str, str]:
    """The addresses that a browser shows, by what each page is called."""
    unshown = FRAGMENTS | FILES
    return {
        name_page(route) + (f"-{number}" if number > 1 else ""): path
        for route, of in paths_of(shop).items()
        if route not in unshown
        for number, path in enumerate(of, 1)
    }


def name_page(route: str) -> str:
    """What the page of a route is called: `run-why` stands at `/ui/runs/{run_id}/why`."""
    named = route.removeprefix(f"{ROOT}/")
    for plural in ("runs", "steps"):
        one = plural.removesuffix("s")
        named = named.replace(f"{plural}/{{{one}_id}}", one)
    return named.replace("/", "-")
