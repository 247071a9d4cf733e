"""The form of a group's settings, and how it is merged with what another host saved meanwhile.

See images/views/seen_form.py.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django import forms
from django.conf import settings
from django.forms.utils import flatatt
from django.utils.html import format_html, format_html_join
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bandpics.moments import YEARS
from groups import colours
from groups.editing import LONGEST_RETENTION_DAYS, TIME_ZONES
from groups.models import Group, Licence
from images.lifecycle import covers
from images.photofile import logo
from images.views import settings_choices
from images.views.place import DegreesField
from images.views.seen_form import SeenForm, plain

if TYPE_CHECKING:
    from django.http import QueryDict
    from django.utils.safestring import SafeString

COLUMNS_AS_THEY_ARE = ("name", "description", "event_name", "venue", "visibility", "gps_policy")
TIMES = ("reveal_at", "closes_at")
NAMES = (
    *(*COLUMNS_AS_THEY_ARE, *TIMES, "event_date", "latitude", "longitude", "time_zone"),
    *("needs_approval", "accent_colour", "cover", "licence_kind", "licence_text"),
    *("retain_originals_days", "caption_language"),
)


class LocalTimeField(forms.Field):
    """A time of day in the group's time zone, as browsers send it."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local"})
    years = YEARS

    def to_python(self, value: Any) -> datetime | None:
        if not value:
            return None
        try:
            found = datetime.fromisoformat(str(value))
        except ValueError:
            found = None
        if found is None or found.tzinfo is not None or found.year not in self.years:
            raise forms.ValidationError(_("Give a date and a time, such as 2026-06-21 22:00."))
        return found


class ManyOptions(forms.Select):
    """A select that makes its options without templates, which would take most of the page's
    time for hundreds of them."""

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        regions = (
            (label, [(label, label)] if isinstance(cities, str) else cities)
            for label, cities in self.choices
        )
        groups = [
            format_html(
                '<optgroup label="{}">{}</optgroup>',
                label,
                format_html_join(
                    "",
                    '<option value="{}"{}>{}</option>',
                    ((zone, " selected" if zone == value else "", city) for zone, city in cities),
                ),
            )
            for label, cities in regions
        ]
        flat = flatatt(self.build_attrs(self.attrs, {"name": name, **(attrs or {})}))
        return format_html(
            "<select{}>{}</select>",
            flat,
            format_html_join("", "{}", ((group,) for group in groups)),
        )


class LogoField(forms.FileField):
    """A picture, which becomes a Logo: drawn anew, as no file of a stranger is shown as it is."""

    widget = forms.FileInput(attrs={"accept": "image/png,image/jpeg,image/webp"})
    default_error_messages = {
        "too-large": gettext_lazy("This file is too large: a logo may have up to 1 MB."),
        "wrong-kind": gettext_lazy(
            "A logo has to be a PNG, JPEG or WebP. Most programs can export others, such as an SVG,"
            " as PNG."
        ),
        "too-many-pixels": gettext_lazy(
            "This picture has too many pixels: a logo may have up to 4 million."
        ),
        "damaged": gettext_lazy("This picture is damaged or not complete. Please choose another."),
    }

    def clean(self, data: Any, initial: Any = None) -> logo.Logo | None:
        file = super().clean(data, initial)
        if not file:
            return None
        try:
            return logo.draw(file, byte_size=file.size or 0)
        except logo.NoLogo as refusal:
            raise forms.ValidationError(
                self.error_messages[refusal.reason], code=refusal.reason
            ) from None


def values_of(group: Group, *, time_zone: str = "") -> dict[str, str]:
    """Returns what the fields show of a group, with times in this time zone or its own."""
    zone = ZoneInfo(time_zone) if time_zone in TIME_ZONES else group.zone
    licence = group.licence
    values = {name: str(getattr(group, name)) for name in COLUMNS_AS_THEY_ARE}
    for name in TIMES:
        moment: datetime | None = getattr(group, name)
        values[name] = f"{moment.astimezone(zone):%Y-%m-%dT%H:%M}" if moment else ""
    for name in ("latitude", "longitude"):
        degrees = getattr(group, name)
        values[name] = "" if degrees is None else f"{degrees:.6f}"
    days = group.retain_originals_days
    return values | {
        "event_date": group.event_date.isoformat() if group.event_date else "",
        "time_zone": group.time_zone,
        "needs_approval": "yes" if group.needs_approval else "no",
        "accent_colour": group.accent_colour,
        "cover": str(group.cover_id or ""),
        "licence_kind": licence.kind if licence else "",
        "licence_text": licence.text if licence and licence.kind == Licence.Kind.OWN else "",
        "retain_originals_days": "" if days is None else str(days),
        "caption_language": group.caption_language,
    }


class SettingsForm(SeenForm):
    """What a group says, and what its guests may do."""

    names = NAMES
    units = ({"latitude", "longitude"}, {"licence_kind", "licence_text"})

    name = forms.CharField(label=gettext_lazy("Name"), max_length=120)
    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Guests read it above the button for their photos."),
    )
    event_name = forms.CharField(label=gettext_lazy("Event"), max_length=200, required=False)
    event_date = forms.DateField(
        label=gettext_lazy("Date"),
        required=False,
        widget=forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
    )
    venue = forms.CharField(label=gettext_lazy("Venue"), max_length=200, required=False)
    latitude = DegreesField(
        label=gettext_lazy("Latitude"), min_value=-90, max_value=90, required=False
    )
    longitude = DegreesField(
        label=gettext_lazy("Longitude"), min_value=-180, max_value=180, required=False
    )
    time_zone = forms.ChoiceField(
        label=gettext_lazy("Time zone"),
        widget=ManyOptions,
        help_text=gettext_lazy(
            "Times on this page are in it. Another time zone does not move what is set already."
        ),
    )
    visibility = forms.ChoiceField(label=gettext_lazy("Guests see"), widget=forms.RadioSelect)
    reveal_at = LocalTimeField(
        label=gettext_lazy("Show the photos of others from"),
        required=False,
        help_text=gettext_lazy("Until then guests see only their own. Empty: at once."),
    )
    needs_approval = forms.ChoiceField(
        label=gettext_lazy("Photos of guests"), widget=forms.RadioSelect
    )
    approve_waiting = forms.BooleanField(required=False)
    gps_policy = forms.ChoiceField(
        label=gettext_lazy("Where photos were taken"), widget=forms.RadioSelect
    )
    closes_at = LocalTimeField(
        label=gettext_lazy("Closes on"),
        required=False,
        help_text=gettext_lazy(
            "From then on guests add and change nothing. What they have started to send may still "
            "arrive. Empty: it stays open."
        ),
    )
    accent_colour = forms.CharField(
        label=gettext_lazy("Colour"),
        required=False,
        max_length=7,
        widget=forms.TextInput(attrs={"placeholder": "#1f5f55", "autocomplete": "off"}),
        help_text=gettext_lazy(
            "Any colour, such as #aa3300: it is made a little darker or lighter where text could "
            "not be read. Empty: the green of Bandpics."
        ),
    )
    cover = forms.CharField(required=False, max_length=36)
    logo = LogoField(
        label=gettext_lazy("Logo"),
        required=False,
        help_text=gettext_lazy(
            "A PNG, JPEG or WebP of up to 1 MB. It is shown up to 320 pixels wide and 160 high."
        ),
    )
    remove_logo = forms.BooleanField(label=gettext_lazy("Remove the logo"), required=False)
    licence_kind = forms.ChoiceField(
        label=gettext_lazy("Guests are asked to agree"), required=False, widget=forms.RadioSelect
    )
    licence_text = forms.CharField(
        label=gettext_lazy("Your own sentence"),
        max_length=500,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text=gettext_lazy("Up to 500 characters, as a guest would say it."),
    )
    retain_originals_days = forms.IntegerField(
        label=gettext_lazy("Remove originals after so many days"),
        min_value=0,
        max_value=LONGEST_RETENTION_DAYS,
        required=False,
        help_text=gettext_lazy(
            "They are gone for good then; the sizes that galleries show stay. Empty: they are kept."
        ),
    )
    caption_language = forms.ChoiceField(
        label=gettext_lazy("Captions by a model"), required=False, widget=forms.RadioSelect
    )

    def __init__(self, group: Group, data: QueryDict | None = None, **kwargs: Any) -> None:
        self.group, self.now = group, values_of(group)
        super().__init__(data, initial=self.now, label_suffix="", **kwargs)
        self.read_seen()
        for name, offered in settings_choices.of(group).items():
            field: Any = self.fields[name]
            field.choices = offered
        if not settings.CAPTIONS_ON:
            del self.fields["caption_language"]

    def typed(self, name: str) -> str:
        """What a page did not offer stays as it is."""
        return super().typed(name) if name in self.fields else self.seen[name]

    # --- What is wrong ----------------------------------------------------------------------

    def clean_accent_colour(self) -> str:
        try:
            return colours.plain(self.cleaned_data["accent_colour"])
        except ValueError:
            raise forms.ValidationError(
                _("Give a colour as # and six digits, such as #aa3300.")
            ) from None

    def clean_cover(self) -> UUID | None:
        text = self.cleaned_data["cover"]
        if text == self.seen["cover"]:  # it may have been deleted since: nothing to complain about
            return self.group.cover_id
        try:
            chosen = UUID(text) if text else None
        except ValueError:
            chosen = UUID(int=0)
        if chosen is not None and not covers.may_be_cover(self.group, chosen):
            raise forms.ValidationError(_("This photo is gone. Please choose another one."))
        return chosen

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        place = [name for name in ("latitude", "longitude") if found.get(name) is not None]
        if len(place) == 1 and not {"latitude", "longitude"} & self.errors.keys():
            missing = "longitude" if place == ["latitude"] else "latitude"
            self.add_error(missing, _("Give both numbers, or neither."))
        is_own = found.get("licence_kind") == Licence.Kind.OWN
        if is_own and "licence_text" not in self.errors and not found.get("licence_text"):
            self.add_error("licence_text", _("Write the sentence, or choose another answer."))
        return found

    # --- What is saved ----------------------------------------------------------------------

    def changes(self) -> dict[str, Any]:
        """Returns the columns that this host changed, for editing.change()."""
        mine, said = self.mine, self.cleaned_data
        straight = (*COLUMNS_AS_THEY_ARE, "event_date", "latitude", "longitude", "time_zone")
        wanted = {name: said[name] for name in straight}
        wanted |= {name: said[name] for name in ("accent_colour", "retain_originals_days")}
        wanted["caption_language"] = said.get("caption_language", "")
        wanted["description"] = plain(said["description"])
        wanted["needs_approval"] = said["needs_approval"] == "yes"
        zone = ZoneInfo(said["time_zone"])
        for name in TIMES:
            wanted[name] = said[name] and said[name].replace(tzinfo=zone).astimezone(UTC)
        changes = {name: value for name, value in wanted.items() if name in mine}
        if "cover" in mine:
            changes["cover_id"] = said["cover"]
        if "licence_kind" in mine:
            kind, text = said["licence_kind"], plain(said["licence_text"])
            changes["licence"] = {"kind": kind, "text": text} if kind else None
        return changes

    def now_as_seen(self) -> dict[str, str]:
        return values_of(self.group, time_zone=self.seen["time_zone"])

    def both(self) -> set[str]:
        both = super().both()
        if "time_zone" in self.theirs:  # what was typed was meant in the other one
            both |= self.mine & set(TIMES)
        return both

    def read_again(self, group: Group) -> None:
        """Takes over the row as it is after another request changed it."""
        self.group, self.now = group, values_of(group)

    def again(self, data: QueryDict) -> SettingsForm:
        return SettingsForm(self.group, data, files=self.files)

    def said_by_others(self, name: str, value: str) -> str:
        if name == "cover":
            return _("Somebody else chose another cover meanwhile. Save again to use yours.")
        return super().said_by_others(name, value)

    def in_words(self, name: str, value: str) -> str:
        short = settings_choices.SHORT.get((name, value))
        if name in TIMES:
            return value.replace("T", " ")
        return str(short) if short else super().in_words(name, value)
