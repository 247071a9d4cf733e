"""The page that prints links: sheets of cards, and a poster."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from django import forms
from django.shortcuts import render
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_safe

from images.views.desk import MEMBER, Desk, desk_page
from invitations import qr, sharing
from invitations.models import Invitation
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse
    from django.utils.safestring import SafeString

# Cards on one sheet. Letter is shorter than A4: its cards are a quarter and an eighth of it.
PER_SHEET = {"a6": 4, "a7": 8, "poster": 1}
MAX_SHEETS = 20
MAX_PEOPLE = 200
WORDS_LENGTH = 160


class CardsForm(forms.Form):
    """What is printed. It is sent by GET, so that the page can be kept and printed again."""

    kind = forms.ChoiceField(
        label=_("For whom"),
        choices=[
            ("shared", _("Everybody, by the shared link")),
            ("personal", _("Each invited person")),
        ],
        initial="shared",
    )
    size = forms.ChoiceField(
        label=_("Size"),
        choices=[
            ("a6", _("4 large cards (A6)")),
            ("a7", _("8 small cards (A7)")),
            ("poster", _("A poster")),
        ],
        initial="a6",
    )
    paper = forms.ChoiceField(
        label=_("Paper"), choices=[("a4", "A4"), ("letter", "US Letter")], initial="a4"
    )
    sheets = forms.IntegerField(
        label=_("Number of sheets"), min_value=1, max_value=MAX_SHEETS, initial=1
    )
    words = forms.CharField(
        label=_("Your own words"),
        required=False,
        max_length=WORDS_LENGTH,
        help_text=_(
            "They are printed on each card. A PIN is not printed unless you write it here."
        ),
        widget=forms.Textarea(attrs={"rows": 2}),
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""


@dataclass(frozen=True)
class Card:
    """One link on paper."""

    link: str
    name: str = ""  # of the person it is for
    address: str = ""  # to type, without https://
    has_pin: bool = False

    @cached_property
    def code(self) -> SafeString:
        return qr.inline(self.link)

    @property
    def link_in_words(self) -> str:
        return self.link.partition("://")[2]


@desk_page(needs=MEMBER)
@require_safe
def cards(request: HttpRequest, page: Desk) -> HttpResponse:
    """Shows the sheets as they are printed, and the choices above them."""
    names = CardsForm.base_fields
    asked = {name: request.GET.get(name, field.initial or "") for name, field in names.items()}
    form = CardsForm(asked)
    is_valid = form.is_valid()
    chosen = form.cleaned_data if is_valid else {}
    context: dict[str, Any] = {"form": form, "people": [], "sheets": [], "chosen": chosen}
    if asked["kind"] == "personal":
        people = _people(page)
        wanted = _wanted(request, people)
        context["people"] = [(each, each.pk in wanted) for each in people]
        found = [card_of(each) for each in people if each.pk in wanted]
    else:
        link = sharing.link_of(page.group, page.access)
        found = [] if link is None or link.is_expired else [card_of(link)]
    ready = [card for card in found if card is not None]
    if is_valid and ready:
        context["sheets"] = sheets_of(ready, chosen)
    context |= {"has_link": bool(ready), "is_lost": len(ready) < len(found), "max": MAX_PEOPLE}
    context |= {"accent": page.group.accent_colour, "section": "group-invitations"}
    status = 200 if is_valid else 400
    return render(request, "groups/cards.html", page.context(**context), status=status)


def card_of(invitation: Invitation) -> Card | None:
    """Returns what is printed of a link. With a short address it is that alone, so that cards stay
    good when the link gets a new secret. None if its key is lost."""
    chosen = sharing.short_address_of(invitation)
    is_personal = invitation.kind == Invitation.Kind.PERSONAL
    name = (invitation.name or invitation.email) if is_personal else ""
    if chosen is not None:
        link = sharing.short_link(chosen.word)
        address = link.partition("://")[2].rstrip("/")
        return Card(link, name=name, address=address, has_pin=bool(chosen.pin_hash))
    try:
        return Card(invitation.upload_link, name=name)
    except TokenLost:
        return None


def sheets_of(cards: list[Card], chosen: dict[str, Any]) -> list[list[Card]]:
    """Returns the cards of each sheet: copies of the shared one, or one for each person."""
    per_sheet = PER_SHEET[chosen["size"]]
    if chosen["kind"] == "shared":
        return [cards * per_sheet] * chosen["sheets"]
    return [cards[first : first + per_sheet] for first in range(0, len(cards), per_sheet)]


def _people(page: Desk) -> list[Invitation]:
    """Returns the open personal links that this member may hand out, by name."""
    rows = Invitation.objects.open().filter(group=page.group, kind=Invitation.Kind.PERSONAL)
    rows = rows.with_link_for(page.access).select_related("short_address")
    return list(rows.order_by("name", "email")[:MAX_PEOPLE])


def _wanted(request: HttpRequest, people: list[Invitation]) -> set[UUID]:
    """Returns the people who were ticked, or all before anybody was."""
    ids = set(request.GET.getlist("id")[:MAX_PEOPLE])
    if not ids and "chosen" not in request.GET:
        return {each.pk for each in people}
    return {each.pk for each in people if str(each.pk) in ids}
