"""What a machine can check on every page: it is accessible, no wider than a phone, has one heading,
a title and a language; the console does not complain, and the focus is visible.

The pages are those of the URLconf, as in test_access.py: a new one is looked at, or its place in
ELSEWHERE says what it takes to see it.
"""

from __future__ import annotations

import base64
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit
from uuid import UUID

import pytest
import urllib3
from axe_playwright_python.sync_playwright import Axe
from django.urls import reverse

from bandpics.ids import new_id
from bandpics.testing.matrix import representative
from images.tests import drawn_pictures
from images.tests.test_access import CASES, DECIDED

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = [pytest.mark.browser, pytest.mark.xdist_group("stack")]

PASSWORD = "grey horses on the lake"
PIN = "314159"
PHONE = {"width": 390, "height": 844}
WIDE = {"width": 1280, "height": 900}
# What no reader of pages opens: JSON, its description, styles, pictures.
NO_PAGES = {
    *("schema", "docs", "api-root", "look", "group-logo", "guest-logo", "short-guest-logo"),
    *("link-picture", "short-link-picture", "check-word", "guest-file", "short-guest-file"),
    *("guest-zip-file", "short-guest-zip-file", "group-download-file", "group-news"),
    "group-clusters",
    # Parts of pages:
    *("guest-newest-photos", "short-guest-newest-photos", "guest-news", "short-guest-news"),
    "wall-photos",
}
# Pages that need more than the address: a word that was typed, something in the trash, a dead link.
ELSEWHERE = {
    "confirm-email": "/account/email/no-such-link/",
    "find-word": "/j/?word={word}",
    "guest-zip": "/i/{token}/photos/zip/",
    "short-guest-zip": "/j/{word}/photos/zip/",
    "join-team": "/teams/join/no-such-link/",
    "purge-group": "/groups/{trashed_group_id}/purge/",
    "short-guest-photo": "/j/{word}/photos/{image_id}/",
    "short-pin": "/j/{pin_word}/",
    "teams": "/teams/",
}
# Pages that are reached by mistake, and states of pages that a new account does not have.
MORE = {
    "nowhere": "/nowhere/",
    "dead-link": "/i/no-such-link/",
    "dead-wall": "/w/no-such-wall/",
    "other-group": "/groups/{unknown}/",
    "no-photos-yet": "/groups/{empty_group_id}/",
    "no-numbers-yet": "/groups/{empty_group_id}/stats/",
    "no-map-yet": "/groups/{empty_group_id}/map/",
    "invite-one": "/groups/{group_id}/invitations/new/?kind=personal",
    "rejected": "/groups/{group_id}/moderation/?show=rejected",
    "select": "/groups/{group_id}/?select",
    "filtered": "/groups/{group_id}/?uploader=Hanna&ordering=sort_at",
    "no-match": "/groups/{group_id}/?q=nothing&has_gps=false",
    "shared-link": "/groups/{group_id}/invitations/{shared_id}/",
    "own-photos-of-a-guest": "/i/{token}/photos/?mine",
}
FACTS = """() => ({
    headings: document.querySelectorAll("h1").length,
    title: document.title,
    language: document.documentElement.lang,
    width: document.documentElement.scrollWidth,
    // Firefox, and Chromium until 132, ignore an import map that comes after a module.
    modulesBeforeMap: [...document.querySelectorAll("script[type=module], link[rel=modulepreload]")]
        .filter((one) => [...document.querySelectorAll("script[type=importmap]")]
            .some((map) => one.compareDocumentPosition(map) & Node.DOCUMENT_POSITION_FOLLOWING))
        .map((one) => one.outerHTML),
})"""
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]
AXE = """async (rules) => {
    const { violations, passes } = await axe.run({ runOnly: rules, resultTypes: ["violations"] });
    return { wrong: violations.map(({ id, nodes }) => [id, nodes.map((node) => node.html)]),
             passed: passes.length };
}"""
FOCUS = """() => {
    const here = document.activeElement;
    if (here === document.body) return null;
    window.reached ??= new Set();
    if (window.reached.has(here) && window.latest !== here) return "round";
    const isAgain = window.latest === here;
    window.latest = here;
    window.reached.add(here);
    const box = here.getBoundingClientRect();
    const isMarked = (...which) => {
        const { outlineStyle, outlineWidth } = getComputedStyle(...which);
        return outlineStyle !== "none" && parseFloat(outlineWidth) >= 2;
    };
    // The parts of a date are the browser's own; a link may cover its card.
    return { html: here.outerHTML.slice(0, 200), seen: box.width > 0 && box.height > 0,
             marked: isAgain || isMarked(here) || isMarked(here, "::after")
                || isMarked(here.closest("li, label") ?? here) };
}"""
NOT_REACHED = """() => {
    const usual = "a[href], button, input:not([type=hidden]), select, textarea, summary";
    const free = (one) => one.checkVisibility({ visibilityProperty: true }) && !one.disabled
        && one.tabIndex >= 0 && !(one.type === "radio" && !one.checked);
    return [...document.querySelectorAll(usual)]
        .filter((one) => free(one) && !window.reached.has(one))
        .map((one) => one.outerHTML.slice(0, 200));
}"""


@dataclass(frozen=True)
class Evening:
    """A running Bandpics on which somebody new has a group with a little of everything."""

    url: str
    parts: dict[str, Any]  # of the addresses
    states: dict[str, Any]  # cookies by who is signed in


@dataclass(frozen=True)
class Look:
    """How a page is looked at."""

    language: str = "en"
    scheme: str = "light"
    wide: bool = False


LOOKS = [Look(scheme="dark"), Look(wide=True), Look("de"), Look("fr")]


def asked(method: str, url: str, headers: dict[str, str], body: Any = None) -> Any:
    answer = urllib3.request(method, url, json=body, headers=headers)
    assert answer.status < 300, answer.data
    return answer.json() if answer.data else None


def registered(url: str, name: str) -> tuple[dict[str, str], dict[str, str]]:
    account = {"email": f"{new_id()}@example.org", "password": PASSWORD, "name": name}
    key = asked("POST", f"{url}/api/v1/users/", {}, account)["api_key"]
    return account, {"Authorization": f"Api-Key {key}"}


def signed_in(chromium: Any, url: str, account: dict[str, str]) -> Any:
    page = chromium.new_context(viewport=PHONE, locale="en").new_page()
    page.goto(f"{url}/login/")
    page.get_by_label("E-mail").fill(account["email"])
    page.get_by_label("Password").fill(account["password"])
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_url(f"{url}/")
    return page


def opened_team(page: Any, url: str) -> None:
    """Makes the personal team one that others can join, with an open invitation."""
    page.goto(f"{url}/teams/")
    page.get_by_label("Name of the team").first.fill("The Band")
    page.get_by_role("button", name="Make it a team").click()
    page.get_by_label("E-mail").fill("carl@example.org")
    page.get_by_role("button", name="Invite").first.click()
    page.wait_for_load_state()


def short_address(page: Any, url: str, group: str, link: str, *, word: str, pin: str = "") -> None:
    page.goto(f"{url}/groups/{group}/short-address/?link={link}")
    page.get_by_role("textbox", name="Short address").fill(word)
    page.get_by_label("PIN").first.fill(pin)
    page.get_by_role("button", name="Save").click()
    page.get_by_text("Saved. People can type").wait_for()


def wall(page: Any, url: str, group: str) -> str:
    """Makes a wall. Returns the secret in its address."""
    page.goto(f"{url}/groups/{group}/walls/")
    page.get_by_role("button", name="Make the wall").click()
    address = page.get_by_label("Address for the screen").input_value()
    return str(address.rstrip("/").rpartition("/")[2])


def photo(url: str, who: dict[str, str], seed: int, **group: str) -> str:
    data = drawn_pictures.jpeg(width=300, height=200, seed=seed, lat=48.2, lon=16.4)
    body = {"image": base64.b64encode(data).decode(), "filename": f"IMG_{seed}.jpg", **group}
    return str(asked("POST", f"{url}/api/v1/images/", who, body)["id"])


def made_by_api(url: str, host: dict[str, str]) -> dict[str, Any]:
    def api(method: str, path: str, body: Any = None, who: dict[str, str] = host) -> Any:
        return asked(method, f"{url}/api/v1/{path}", who, body)

    event = {"name": "Hanna turns 40", "event_date": "2026-06-21"}
    group, empty, gone = (
        api("POST", "groups/", each)["id"] for each in [event, {"name": "Empty"}, {"name": "Gone"}]
    )
    cleo = {"group": group, "email": "cleo@example.org", "name": "Cleo", "visibility": "gallery"}
    personal = api("POST", "invitations/", cleo)
    bar = {"group": group, "kind": "shared", "visibility": "gallery"}
    shared, pinned = (api("POST", "invitations/", {**bar, "name": name}) for name in ["Bar", "Pin"])
    token = urlsplit(personal["upload_link"]).path.split("/")[-2]
    guest = {"Authorization": f"Invitation {token}"}
    own = [photo(url, host, seed, group=group) for seed in (9501, 9502)]
    sent = [photo(url, guest, seed) for seed in (9503, 9504, 9505)]
    api("DELETE", f"images/{own[1]}/")
    api("DELETE", f"groups/{gone}/")
    end = time.monotonic() + 60
    while any(api("GET", f"images/{each}/")["status"] != "done" for each in [own[0], *sent]):
        assert time.monotonic() < end
        time.sleep(0.2)
    api("POST", f"images/{sent[1]}/moderate/", {"decision": "reject", "reason": "Too dark"})
    api("POST", f"images/{sent[2]}/takedown/", {"reason": "My neighbour"}, guest)
    return {
        "group_id": group,
        "empty_group_id": empty,
        "trashed_group_id": gone,
        "invitation_id": personal["id"],
        "shared_id": shared["id"],
        "pin_id": pinned["id"],
        "image_id": own[0],
        "sent_id": sent[0],
        "token": token,
        "team_id": api("GET", f"groups/{group}/")["team"],
    }


@pytest.fixture(scope="module")
def evening(running_stack, chromium):
    url = running_stack["web_url"]
    account, host = registered(url, "Hanna")
    parts = made_by_api(url, host) | {
        "unknown": new_id(),
        "slug": "invalid",
        "uidb64": "MQ",
        "word": f"w{new_id().hex[-12:]}",
        "pin_word": f"p{new_id().hex[-12:]}",
    }
    page = signed_in(chromium, url, account)
    opened_team(page, url)
    short_address(page, url, parts["group_id"], parts["shared_id"], word=parts["word"])
    short_address(
        page, url, parts["group_id"], parts["pin_id"], word=parts["pin_word"], pin="314159"
    )
    parts["wall_token"] = wall(page, url, parts["group_id"])
    ben, _ = registered(url, "Ben")
    member = {"email": ben["email"], "role": "member"}
    asked("POST", f"{url}/api/v1/teams/{parts['team_id']}/members/", host, member)
    states = {
        "host": page.context.storage_state(),
        "member": signed_in(chromium, url, ben).context.storage_state(),
        "nobody": None,
    }
    return Evening(url, parts, states)


# --- The pages -------------------------------------------------------------------------------

EXAMPLES = {"UUIDConverter": UUID(int=0), "IntConverter": 1}


def is_page(name: str, converters: Any) -> bool:
    example = {key: EXAMPLES.get(type(of).__name__, "x") for key, of in converters.items()}
    return name not in NO_PAGES and not reverse(name, kwargs=example).startswith("/api/")


def who_sees(name: str) -> str | None:
    """Who of the columns in test_access.py gets the page: best nobody in particular."""
    ada, ben, *_, nobody = DECIDED[name, "GET"].answers.split()
    by = {"nobody": nobody, "host": ada, "member": ben}
    return next((who for who, code in by.items() if code == "200"), None)


PAGES = [
    (name, converters)
    for name, verb, converters in CASES
    if verb == "GET" and is_page(name, converters)
]
SEEN = [(name, who_sees(name), converters) for name, converters in PAGES if who_sees(name)]
PLACED = {**ELSEWHERE, **MORE}
EVERY = [name for name, _, _ in SEEN] + list(PLACED)


def address_of(name: str, parts: dict[str, Any]) -> tuple[str, str]:
    """Returns the path of a page, and who opens it."""
    if name in PLACED:
        guest = PLACED[name].startswith(("/i/", "/j/", "/w/"))
        return PLACED[name].format(**parts), "nobody" if guest else "host"
    who, converters = next((who, found) for known, who, found in SEEN if known == name)
    of_guest = (
        {"image_id": parts["sent_id"]} if "token" in converters or "word" in converters else {}
    )
    known = {**parts, **of_guest}
    return reverse(name, kwargs={key: known[key] for key in converters}), str(who)


@pytest.fixture(scope="module")
def open_page(chromium, evening) -> Iterator[Any]:
    contexts: dict[Any, Any] = {}

    def open_(name: str, look: Look) -> Any:
        path, who = address_of(name, evening.parts)
        if (who, look) not in contexts:
            contexts[who, look] = chromium.new_context(
                viewport=WIDE if look.wide else PHONE,
                color_scheme=look.scheme,
                locale=look.language,
                storage_state=evening.states[who],
            )
        page, complaints = contexts[who, look].new_page(), []
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said) if said.type == "error" else None)
        page.goto(evening.url + path)
        # Chromium says of a 404 that is meant so, too.
        told = [
            said if isinstance(said, str) else said.text
            for said in complaints
            if isinstance(said, str) or said.location.get("url") != page.url
        ]
        return page, told

    yield open_
    for context in contexts.values():
        context.close()


def test_no_page_is_forgotten():
    """A page that neither hosts, members nor strangers get as it stands is in ELSEWHERE."""
    answers = {name: DECIDED[name, "GET"].answers for name, _ in PAGES}
    unseen = {
        name for name, said in answers.items() if who_sees(name) is None and "405" not in said
    }
    assert unseen == set(ELSEWHERE)


def look_at(page: Any, told: list[str], look: Look) -> None:
    """By axe-core, and what it does not say."""
    found = page.evaluate(FACTS)
    page.evaluate(Axe().axe_script)
    judged = page.evaluate(AXE, RULES)
    assert judged["wrong"] == []
    assert judged["passed"], "axe looked at nothing"
    assert told == []
    assert found["headings"] == 1
    assert found["title"].strip()
    assert found["modulesBeforeMap"] == []
    explains_api = "/problems/" in page.url  # to developers, in English
    assert found["language"] == ("en" if explains_api else look.language)
    assert found["width"] <= (WIDE if look.wide else PHONE)["width"]


# One of each kind of page that no story looks at in a browser; all of them are long.
USUAL = {
    *("home", "login", "account", "team", "group-gallery", "group-settings", "group-invitations"),
    *("invite-many", "moderation", "upload-page", "short-pin", "dead-link"),
}
# A form of many fields, and what guests see.
USUAL_BY_KEYS = {"group-settings", "upload-page"}


@pytest.mark.parametrize("name", representative(EVERY, USUAL.__contains__))
def test_a_page_is_in_order_on_a_phone(open_page, name):
    page, told = open_page(name, Look())
    try:
        look_at(page, told, Look())
    finally:
        page.close()


@pytest.mark.long
@pytest.mark.parametrize(
    "look", LOOKS, ids=lambda look: f"{look.language}-{look.scheme}-{look.wide}"
)
@pytest.mark.parametrize("name", EVERY)
def test_a_page_is_in_order_in_the_dark_on_a_desk_and_in_every_language(open_page, name, look):
    page, told = open_page(name, look)
    try:
        look_at(page, told, look)
    finally:
        page.close()


@pytest.mark.parametrize(
    "name",
    representative(
        [
            *("home", "group-gallery", "moderation", "group-invitations", "group-settings", "team"),
            *("new-group", "invite-many", "short-address", "account", "upload-page", "login"),
        ],
        USUAL_BY_KEYS.__contains__,
    ),
)
def test_keys_alone_reach_every_control_and_the_focus_is_seen(open_page, name):
    page, _ = open_page(name, Look())
    try:
        page.wait_for_load_state("networkidle")  # what scripts add later is reached, too
        for _press in range(200):
            page.keyboard.press("Tab")
            here = page.evaluate(FOCUS)
            if here == "round":
                break
            assert here is None or here["seen"], here
            assert here is None or here["marked"], here
        assert here == "round"
        assert page.evaluate(NOT_REACHED) == []
    finally:
        page.close()
