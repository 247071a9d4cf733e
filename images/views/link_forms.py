"""The forms of links: what a host may choose for one, or for many at once."""

from __future__ import annotations

from datetime import datetime, time, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.translation import get_language, gettext_lazy, pgettext
from django.utils.translation import gettext as _

from groups.models import Group
from invitations import address_list
from invitations.mail import one_line

if TYPE_CHECKING:
    from datetime import date

    from images.views.desk import Desk
    from invitations.models import Invitation

MEGABYTE = 1_000_000
MAX_FILES = 2**31 - 1
MAX_MEGABYTES = 10_000_000
LONGEST = timedelta(days=3650)
MESSAGE_LENGTH = 1000
VISIBILITY = [
    ("", gettext_lazy("As the group's settings say")),
    (Group.Visibility.DROP, gettext_lazy("Nothing: they only send")),
    (Group.Visibility.OWN, gettext_lazy("The photos that they sent")),
    (Group.Visibility.GALLERY, gettext_lazy("All approved photos of the group")),
]
OF_OWNERS = ("trusted", "visibility")


def end_of(day: date, group: Group) -> datetime:
    return datetime.combine(day, time(23, 59, 59), group.zone)


def day_in_words(moment: datetime) -> str:
    """Returns the day of a moment, in the active time zone and language."""
    return date_format(timezone.localtime(moment), pgettext("date format", "j F Y"))


class DayInput(forms.DateInput):
    input_type = "date"

    def __init__(self) -> None:
        super().__init__(format="%Y-%m-%d")


class OptionsForm(forms.Form):
    """Until when a link works, and what it may; some of it is for owners alone."""

    until = forms.DateField(
        label=gettext_lazy("Works until the end of"),
        input_formats=["%Y-%m-%d"],
        widget=DayInput,
        error_messages={"invalid": gettext_lazy("This is not a date, such as 2026-12-31.")},
    )
    trusted = forms.BooleanField(label=gettext_lazy("Photos need no approval"), required=False)
    visibility = forms.ChoiceField(
        label=gettext_lazy("What these guests see"), choices=VISIBILITY, required=False
    )

    def __init__(self, *args: Any, desk: Desk, **more: Any) -> None:
        super().__init__(*args, **more)
        self.label_suffix, self.desk = "", desk
        if not desk.is_owner:
            for name in OF_OWNERS:
                self.fields.pop(name, None)

    def clean_until(self) -> date:
        day: date = self.cleaned_data["until"]
        today = timezone.localdate()
        if day < today and "until" in self.changed_data:
            raise forms.ValidationError(_("This day is over. To end a link now, revoke it."))
        if day > today + LONGEST:
            raise forms.ValidationError(_("Please choose a day within ten years."))
        return day

    def options(self) -> dict[str, Any]:
        """Returns the columns of an invitation that only owners set."""
        return {name: self.cleaned_data[name] for name in OF_OWNERS if name in self.fields}

    @property
    def expires_at(self) -> datetime:
        return end_of(self.cleaned_data["until"], self.desk.group)


def _named(form: forms.Form) -> str:
    return one_line(form.cleaned_data["name"])


class SharedLinkForm(OptionsForm):
    """A new link for everybody who holds it."""

    field_order = ["name", "until", "max_files"]
    name = forms.CharField(
        label=gettext_lazy("Name of the link"),
        max_length=address_list.NAME_LENGTH,
        required=False,
        help_text=gettext_lazy("For you alone, such as “At the bar”."),
    )
    max_files = forms.IntegerField(
        label=gettext_lazy("At most so many photos"),
        min_value=1,
        max_value=MAX_FILES,
        required=False,
        help_text=gettext_lazy("Empty: as many as they like."),
    )
    clean_name = _named

    def options(self) -> dict[str, Any]:
        own = {name: self.cleaned_data[name] for name in ("name", "max_files")}
        return {**super().options(), **own}


class PersonalLinkForm(OptionsForm):
    """A new link for one person."""

    field_order = ["email", "name", "until"]
    email = forms.EmailField(label=gettext_lazy("E-mail"), max_length=254)
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=address_list.NAME_LENGTH, required=False
    )
    clean_name = _named

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        if not email.rpartition("@")[0].isascii():
            raise forms.ValidationError(_("Enter a valid email address."))
        return email

    def options(self) -> dict[str, Any]:
        own = {"name": self.cleaned_data["name"]} if self.cleaned_data["name"] else {}
        return {**super().options(), **own}


class ChangeForm(OptionsForm):
    """Changes a link. What was seen comes back with the form, to notice what changed meanwhile."""

    field_order = ["name", "until", "trusted", "visibility", "max_files", "max_megabytes"]
    name = forms.CharField(
        label=gettext_lazy("Name"), max_length=address_list.NAME_LENGTH, required=False
    )
    max_files = forms.IntegerField(
        label=gettext_lazy("At most so many photos"),
        min_value=1,
        max_value=MAX_FILES,
        required=False,
        help_text=gettext_lazy("Empty: as many as they like."),
    )
    max_megabytes = forms.IntegerField(
        label=gettext_lazy("At most so many megabytes"),
        min_value=1,
        max_value=MAX_MEGABYTES,
        required=False,
        help_text=gettext_lazy("Empty: no limit."),
    )
    clean_name = _named

    def __init__(self, *args: Any, invitation: Invitation, **more: Any) -> None:
        super().__init__(*args, initial=values_of(invitation), **more)
        for field in self.fields.values():
            field.show_hidden_initial = True

    def changes(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """Returns the columns that were changed, and what they must still be in the database."""
        changes: dict[str, Any] = {}
        only_if: dict[str, Any] = {}
        for name in self.changed_data:
            value, seen = self.cleaned_data[name], self._seen(name)
            if name == "until":
                changes["expires_at"], only_if["expires_at__date"] = self.expires_at, seen
            elif name == "max_megabytes":
                changes["max_bytes"] = None if value is None else value * MEGABYTE
                only_if |= _megabytes(seen)
            else:
                changes[name] = value
                only_if[name] = seen
        return changes, only_if

    def with_news(self, invitation: Invitation) -> ChangeForm:
        """Returns the form with what was typed, after somebody else changed the same fields."""
        now, data = values_of(invitation), dict(self.data.items())
        for name in self.fields:
            data[self.add_initial_prefix(name)] = "" if now[name] is None else now[name]
        form = ChangeForm(data, desk=self.desk, invitation=invitation)
        form.is_valid()
        for name in self.changed_data:
            if now[name] != self._seen(name):
                shown = _in_words(form.fields[name], now[name])
                form.add_error(
                    name,
                    _(
                        "Somebody changed this meanwhile; it is now: {value}. Save again to "
                        "replace it."
                    ).format(value=shown),
                )
        return form

    def _seen(self, name: str) -> Any:
        field = self.fields[name]
        raw = field.hidden_widget().value_from_datadict(
            self.data, self.files, self.add_initial_prefix(name)
        )
        try:
            return field.clean(raw)
        except forms.ValidationError:
            return None


def values_of(invitation: Invitation) -> dict[str, Any]:
    """Returns what ChangeForm shows of an invitation, in the active time zone."""
    max_bytes = invitation.max_bytes
    return {
        "name": invitation.name,
        "until": timezone.localdate(invitation.expires_at),
        "trusted": invitation.trusted,
        "visibility": invitation.visibility,
        "max_files": invitation.max_files,
        "max_megabytes": None if max_bytes is None else -(-max_bytes // MEGABYTE),
    }


def _megabytes(seen: int | None) -> dict[str, Any]:
    if seen is None:
        return {"max_bytes": None}
    return {"max_bytes__gt": (seen - 1) * MEGABYTE, "max_bytes__lte": seen * MEGABYTE}


def _in_words(field: forms.Field, value: Any) -> str:
    if isinstance(field, forms.BooleanField):
        return _("yes") if value else _("no")
    if isinstance(field, forms.ChoiceField):
        return str(dict(VISIBILITY).get(value, value))
    if isinstance(field, forms.DateField):
        return date_format(value, pgettext("date format", "j F Y"))
    return _("empty") if value in (None, "") else str(value)


class MailForm(forms.Form):
    """The words and language of mails to guests."""

    message = forms.CharField(
        label=gettext_lazy("Own words in the mail"),
        max_length=MESSAGE_LENGTH,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    language = forms.ChoiceField(
        label=gettext_lazy("Language of the mail"), choices=settings.LANGUAGES, required=False
    )

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self.label_suffix = ""

    def clean_language(self) -> str:
        return known_language(self.cleaned_data["language"])


def current_language() -> str:
    """Returns the language of the page, which is proposed for mails."""
    return known_language((get_language() or "").partition("-")[0])


def known_language(code: str) -> str:
    return code if code in dict(settings.LANGUAGES) else settings.LANGUAGE_CODE
