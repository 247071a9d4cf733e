"""The forms of a photo's page: what is said of it, its file, its group."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from groups.models import Group
from images.photofile import formats
from images.photofile.metadata import capture_time
from images.uploads import file_check, when_and_where
from images.views.place import DegreesField
from images.views.seen_form import SeenForm, plain
from images.views.settings_form import LocalTimeField

if TYPE_CHECKING:
    from django.http import QueryDict
    from django.utils.datastructures import MultiValueDict

    from images.access import MemberAccess
    from images.models import Image

TIME_FORMAT = "%Y-%m-%dT%H:%M:%S"
# The offsets from UTC that clocks have somewhere, in minutes.
OFFSETS = sorted(
    {60 * hours for hours in range(-12, 15)}
    | {-570, -210, -150, 210, 270, 330, 345, 390, 525, 570, 630, 765, 825}
)


def values_of(image: Image) -> dict[str, str]:
    """Returns what the fields show of a photo."""
    local, minutes = image.taken_at_local, image.utc_offset_minutes
    values = {
        "description": image.description,
        "taken": f"{local:{TIME_FORMAT}}" if local else "",
        "offset": "" if minutes is None else str(minutes),
    }
    for name in ("latitude", "longitude"):
        degrees = getattr(image, name)
        values[name] = "" if degrees is None else f"{degrees:.6f}"
    return values


class TakenField(LocalTimeField):
    """The date and time a photo was taken, to the second."""

    widget = forms.DateTimeInput(attrs={"type": "datetime-local", "step": "1"})
    years = capture_time.YEARS


class PhotoForm(SeenForm):
    """What is said of a photo: the words of the hosts, when and where it was taken."""

    names = ("description", "taken", "offset", "latitude", "longitude")
    units = ({"taken", "offset"}, {"latitude", "longitude"})

    description = forms.CharField(
        label=gettext_lazy("Description"),
        max_length=4000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
    )
    taken = TakenField(
        label=gettext_lazy("Taken on"),
        required=False,
        help_text=gettext_lazy("As a clock on the wall showed it. Empty: nobody knows."),
    )
    offset = forms.ChoiceField(
        label=gettext_lazy("Time zone of this clock"),
        required=False,
        help_text=gettext_lazy("In Vienna or Paris it is UTC+01:00, and UTC+02:00 in summer."),
    )
    latitude = DegreesField(
        label=gettext_lazy("Latitude"), min_value=-90, max_value=90, required=False
    )
    longitude = DegreesField(
        label=gettext_lazy("Longitude"), min_value=-180, max_value=180, required=False
    )

    def __init__(self, image: Image, data: QueryDict | None = None) -> None:
        self.image, self.now = image, values_of(image)
        super().__init__(data, initial=self.now, label_suffix="")
        self.read_seen()
        offset: Any = self.fields["offset"]
        known = {*OFFSETS, *filter(None, [image.utc_offset_minutes])}
        offset.choices = [
            ("", _("Not known")),
            *((str(each), f"UTC{capture_time.offset_text(each)}") for each in sorted(known)),
        ]

    def read_again(self, image: Image) -> None:
        """Takes over the row as it is after another request changed it."""
        self.image, self.now = image, values_of(image)

    def again(self, data: QueryDict) -> PhotoForm:
        return PhotoForm(self.image, data)

    def typed(self, name: str) -> str:
        text = super().typed(name)
        if name != "taken":
            return text
        try:  # browsers leave out seconds that are zero
            return f"{datetime.fromisoformat(text):{TIME_FORMAT}}"
        except ValueError:
            return text

    def in_words(self, name: str, value: str) -> str:
        return value.replace("T", " ") if name == "taken" else super().in_words(name, value)

    def clean(self) -> dict[str, Any]:
        found = super().clean() or {}
        place = [name for name in ("latitude", "longitude") if found.get(name) is not None]
        if len(place) == 1 and not {"latitude", "longitude"} & self.errors.keys():
            missing = "longitude" if place == ["latitude"] else "latitude"
            self.add_error(missing, _("Give both numbers, or neither."))
        return found

    def columns(self) -> dict[str, Any]:
        """Returns the columns that this person changed, for editing.change()."""
        mine, said = self.mine, self.cleaned_data
        columns: dict[str, Any] = {}
        if "description" in mine:
            columns["description"] = plain(said["description"])
        if "taken" in mine:
            columns |= when_and_where.taken_columns(self._taken(), self.image)
        if "latitude" in mine:
            place = said["latitude"], said["longitude"]
            columns |= when_and_where.place_columns(None if None in place else place)
        return columns

    def _taken(self) -> when_and_where.Taken | None:
        local: datetime | None = self.cleaned_data["taken"]
        minutes = self.cleaned_data["offset"]
        if local is None:
            return None
        return when_and_where.Taken(local, timedelta(minutes=int(minutes)) if minutes else None)


class ReplaceForm(forms.Form):
    """Another file for a photo. `version` is the one that the page showed."""

    file = forms.FileField(
        label=gettext_lazy("The new file"),
        allow_empty_file=True,
        widget=forms.FileInput(attrs={"accept": ",".join(sorted(formats.ACCEPTED_CONTENT_TYPES))}),
    )
    version = forms.IntegerField(min_value=1, widget=forms.HiddenInput)

    def __init__(
        self,
        image: Image,
        data: QueryDict | None = None,
        files: MultiValueDict[str, Any] | None = None,
    ) -> None:
        super().__init__(data, files, initial={"version": image.version}, label_suffix="")
        self.fields["file"].help_text = _("{formats}, up to {size}.").format(
            formats=file_check.formats_in_words(),
            size=file_check.size_in_words(settings.UPLOAD_MAX_BYTES),
        )

    def refuse(self, field: str | None, why: str) -> None:
        """Says why the file was not taken; sent again, it replaces the file of now."""
        data: Any = self.data.copy()  # type: ignore[attr-defined]  # a QueryDict
        data["version"] = self.initial["version"]
        self.data = data
        self.add_error(field, why)

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        try:
            file_check.check(byte_size=file.size or 0, file=file)  # its first bytes decide
        except file_check.Unacceptable as refusal:
            raise forms.ValidationError(str(refusal), code=refusal.code) from None
        return file


class GroupChoice(forms.ModelChoiceField[Group]):
    """Groups by name; those of other teams with their team."""

    def __init__(self, **options: Any) -> None:
        super().__init__(Group.objects.none(), **options)
        self.own_team: Any = None

    def label_from_instance(self, group: Any) -> str:
        is_own = group.team_id == self.own_team
        return str(group.name if is_own else f"{group.name} ({group.team.name})")


class MoveForm(forms.Form):
    """Another group for a photo: one to which the member may add photos."""

    group = GroupChoice(label=gettext_lazy("Group"), empty_label=gettext_lazy("Choose a group"))

    def __init__(self, image: Image, access: MemberAccess, data: QueryDict | None = None) -> None:
        super().__init__(data, label_suffix="")
        field: Any = self.fields["group"]
        field.own_team = image.group.team_id
        writable = Group.objects.writable_by(access).exclude(pk=image.group_id)
        field.queryset = writable.select_related("team").order_by("name", "pk")
