"""The choices of a group's settings, in words that say what each means for guests."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.utils.html import format_html
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups import licences
from groups.editing import TIME_ZONES

if TYPE_CHECKING:
    from groups.models import Group

# Zones as people know them: a region and a city. The others are aliases and fixed offsets.
REGIONS = (
    *("Africa", "America", "Antarctica", "Asia", "Atlantic", "Australia"),
    *("Europe", "Indian", "Pacific"),
)

SHORT: dict[tuple[str, str], Any] = {
    ("visibility", "drop"): gettext_lazy("Nothing"),
    ("visibility", "own"): gettext_lazy("What they sent themselves"),
    ("visibility", "gallery"): gettext_lazy("All approved photos"),
    ("needs_approval", "yes"): gettext_lazy("Wait for your approval"),
    ("needs_approval", "no"): gettext_lazy("Are approved at once"),
    ("gps_policy", "members"): gettext_lazy("Only your team sees it"),
    ("gps_policy", "coarse"): gettext_lazy("Guests see it roughly, too"),
    ("caption_language", ""): gettext_lazy("No captions"),
    ("caption_language", "en"): "English",
    ("caption_language", "de"): "Deutsch",
    ("caption_language", "fr"): "Français",
    ("licence_kind", ""): gettext_lazy("To nothing"),
    ("licence_kind", "show"): gettext_lazy("That you may show their photos"),
    ("licence_kind", "own"): gettext_lazy("To your own sentence"),
}


def of(group: Group) -> dict[str, Any]:
    """Returns the choices of each field that has some."""
    return {
        "visibility": _visibilities(),
        "needs_approval": _approvals(),
        "gps_policy": _gps_policies(),
        "licence_kind": _licence_kinds(group),
        "caption_language": _caption_languages(),
        "time_zone": _time_zones(group.time_zone),
    }


def _choice(name: str, value: str, meaning: str) -> tuple[str, Any]:
    label = SHORT[name, value]
    return value, format_html(
        '<span class="choice"><span>{}</span> <span class="muted small">{}</span></span>',
        label,
        meaning,
    )


def _visibilities() -> list[tuple[str, Any]]:
    name = "visibility"
    return [
        _choice(name, "drop", _("Their link only takes photos.")),
        _choice(name, "own", _("The page behind their link lists it, and they can change it.")),
        _choice(
            name,
            "gallery",
            _("The page behind their link also shows all photos that you approved."),
        ),
    ]


def _approvals() -> list[tuple[str, Any]]:
    name = "needs_approval"
    return [
        _choice(name, "yes", _("Other guests do not see them before. Trusted links need none.")),
        _choice(name, "no", _("You can still reject or remove a photo later.")),
    ]


def _gps_policies() -> list[tuple[str, Any]]:
    name = "gps_policy"
    return [
        _choice(name, "members", _("And whoever sent a photo, of their own. Other guests do not.")),
        _choice(name, "coarse", _("Of photos that they are shown, to about a kilometre.")),
    ]


def _caption_languages() -> list[tuple[str, Any]]:
    name = "caption_language"
    off = _choice(name, "", _("Nobody but your team and your guests gets the photos."))
    return [off, *((code, SHORT[name, code]) for code in ("de", "en", "fr"))]


def _licence_kinds(group: Group) -> list[tuple[str, Any]]:
    name = "licence_kind"
    return [
        _choice(name, "", _("They only send photos.")),
        _choice(
            name, "show", _("“{sentence}”").format(sentence=licences.standard_text(group.team))
        ),
        _choice(name, "own", _("It stands beside the box that they may tick.")),
    ]


def _time_zones(current: str) -> list[Any]:
    """Zones by region; the group's own is always among them."""
    by_region: dict[str, list[tuple[str, str]]] = {region: [] for region in REGIONS}
    for name in sorted(TIME_ZONES):
        region, _slash, city = name.partition("/")
        if region in by_region and city:
            by_region[region].append((name, city.replace("_", " ")))
    offered = {"UTC"}.union(name for zones in by_region.values() for name, _city in zones)
    others = [] if current in offered else [(current, current)]
    return [("UTC", "UTC"), *others, *by_region.items()]
