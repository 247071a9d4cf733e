"""The page on which a member creates a group with its first photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.csrf import csrf_exempt, csrf_protect
from django.views.decorators.http import require_http_methods

from bandpics.error_handlers import page_for_members
from bandpics.middleware import body_limit
from groups import editing
from groups.models import Group, Team, is_admin
from images.access import MemberAccess
from images.photofile import formats
from images.storage.objects import StorageUnavailable
from images.uploads import announce, file_check, group_with_photos
from images.views import upload

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.forms import BoundField
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.access import Access


FIRST_FIELDS = ("team", "name")


class ManyFiles(forms.FileInput):
    allow_multiple_selected = True


class PhotosField(forms.FileField):
    """Up to BATCH_LIMIT photos, or none."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files: list[UploadedFile[Any]] = [
            super(PhotosField, self).clean(file, initial) for file in data or []
        ]
        if len(files) > announce.BATCH_LIMIT:
            why = _("Please choose up to {count} photos at once.")
            raise forms.ValidationError(why.format(count=announce.BATCH_LIMIT))
        for file in files:
            try:
                file_check.check(
                    byte_size=file.size or 0, content_type=file.content_type or "", file=file
                )
            except file_check.Unacceptable as refusal:
                raise forms.ValidationError(f"{file.name}: {refusal}") from None
        return files


class NewGroupForm(forms.ModelForm[Group]):
    photos = PhotosField(required=False, label=gettext_lazy("First photos"))
    # By a script. What no zone is named is nothing the person could correct.
    time_zone = forms.CharField(required=False, widget=forms.HiddenInput())

    class Meta:
        model = Group
        fields = ["team", "name", "event_name", "event_date", "venue", "description"]
        widgets = {
            "event_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "description": forms.Textarea(attrs={"rows": 3}),
        }
        labels = {
            "team": gettext_lazy("Team"),
            "name": gettext_lazy("Name of the group"),
            "event_name": gettext_lazy("Event"),
            "event_date": gettext_lazy("Date"),
            "venue": gettext_lazy("Venue"),
            "description": gettext_lazy("Description"),
        }
        help_texts = {"description": gettext_lazy("Guests read it above the form.")}

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        teams = Team.objects.writable_by(access).order_by("name")
        team: Any = self.fields["team"]
        team.queryset, team.empty_label = teams, None
        if len(teams) == 1:
            team.initial, team.widget = teams[0], forms.HiddenInput()
        self.has_teams = bool(teams)
        self.fields["name"].widget.attrs["autofocus"] = True
        self.fields["event_date"].localize = False
        photos = self.fields["photos"]
        photos.widget.attrs |= {  # read by new_group.js, which says it before anything is sent
            "data-max-bytes": settings.FORM_MAX_BYTES,
            "data-too-much": upload.too_much_in_words(),
            "data-max-files": announce.BATCH_LIMIT,
            "data-too-many": upload.too_many_in_words(),
        }
        photos.widget.attrs["accept"] = ",".join(sorted(formats.ACCEPTED_CONTENT_TYPES))
        photos.help_text = _(
            "{formats}. A large pile takes a while: stay on this page until the group opens. You "
            "can also add them later."
        ).format(formats=file_check.formats_in_words())

    @property
    def first_fields(self) -> list[BoundField]:
        return [field for field in self.visible_fields() if field.name in FIRST_FIELDS]

    @property
    def more_fields(self) -> list[BoundField]:
        return [field for field in self.visible_fields() if field.name not in FIRST_FIELDS]

    @property
    def has_more(self) -> bool:
        """Whether something was typed, or is wrong, in the fields that are folded away."""
        return any(field.errors or field.value() for field in self.more_fields)

    def clean_time_zone(self) -> str:
        zone = str(self.cleaned_data["time_zone"])
        return zone if zone in editing.TIME_ZONES else settings.TIME_ZONE


# As in add_photos.py: the form is looked at before its CSRF token, and nothing is done before the
# token was checked.
@body_limit.takes(body_limit.form_max_bytes, refuses_itself=True)
@csrf_exempt
@page_for_members
@require_http_methods(["GET", "HEAD", "POST"])
def new_group(request: HttpRequest) -> HttpResponse:
    """Creates a group, its first shared link and its first photos from one form, with or without
    JavaScript."""
    if request.method != "POST":
        return _page(request, NewGroupForm(access=MemberAccess.of(request)))
    try:
        upload.files_sent(request, "photos")
    except upload.FormRefused as refusal:
        status, complaint = refusal.args
        form = NewGroupForm(access=MemberAccess.of(request))  # what was typed was not read
        return _page(request, form, status=status, complaint=complaint)
    return _create(request)


@csrf_protect
def _create(request: HttpRequest) -> HttpResponse:
    access = MemberAccess.of(request)
    form = NewGroupForm(request.POST, request.FILES, access=access)
    if form.is_valid():
        columns = dict(form.cleaned_data)
        team, files = columns.pop("team"), columns.pop("photos")
        photos = [(file, file_check.described(file)) for file in files]
        try:
            group, _uploads = group_with_photos.create_received(
                team, access, columns, photos, with_link=True
            )
        except StorageUnavailable:
            form.add_error(None, _("The photo store does not answer. Please try again soon."))
        except group_with_photos.TeamGone:
            form.add_error("team", _("This team is gone."))
        else:
            return redirect(group)
    if request.FILES:  # browsers do not fill in files again
        form.add_error("photos", _("Please choose the photos again."))
    return _page(request, form, status=400)


def _page(
    request: HttpRequest, form: NewGroupForm, *, status: int = 200, complaint: str = ""
) -> HttpResponse:
    is_an_admin = is_admin(MemberAccess.of(request))
    context = {"form": form, "is_admin": is_an_admin, "complaint": complaint}
    return render(request, "groups/new.html", context, status=status)
