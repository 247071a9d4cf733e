"""The page that makes a group, with its first photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from bandpics.error_handlers import page_for_members
from bandpics.middleware import body_limit
from bandpics.users.callers import caller_of
from groups.models import Group, Team, is_admin
from images.photofile import formats
from images.storage.objects import StorageUnavailable
from images.uploads import announce, file_check, group_with_photos

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.callers import Caller


class ManyFiles(forms.FileInput):
    allow_multiple_selected = True


class PhotosField(forms.FileField):
    """As many photos as one call takes; none is fine, too."""

    widget = ManyFiles

    def clean(self, data: Any, initial: Any = None) -> list[UploadedFile[Any]]:
        files: list[UploadedFile[Any]] = [
            super(PhotosField, self).clean(file, initial) for file in data or []
        ]
        if len(files) > announce.BATCH_LIMIT:
            raise forms.ValidationError(f"Choose up to {announce.BATCH_LIMIT} photos at once.")
        for file in files:
            try:
                file_check.check(
                    byte_size=file.size or 0, content_type=file.content_type or "", file=file
                )
            except file_check.Unacceptable as refusal:
                raise forms.ValidationError(f"{file.name}: {refusal}") from None
        return files


class NewGroupForm(forms.ModelForm[Group]):
    photos = PhotosField(required=False, label="First photos")

    class Meta:
        model = Group
        fields = ["team", "name", "event_name", "event_date", "venue", "description"]
        widgets = {
            "event_date": forms.DateInput(attrs={"type": "date"}, format="%Y-%m-%d"),
            "description": forms.Textarea(attrs={"rows": 3}),
        }
        labels = {"event_name": "Event", "event_date": "Date"}

    def __init__(self, *args: Any, caller: Caller, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        teams = Team.objects.writable_by(caller).order_by("name")
        team: Any = self.fields["team"]
        team.queryset, team.empty_label = teams, None
        if len(teams) == 1:
            team.initial, team.widget = teams[0], forms.HiddenInput()
        self.has_teams = bool(teams)
        types = ",".join(sorted(formats.ACCEPTED_CONTENT_TYPES))
        self.fields["photos"].widget.attrs["accept"] = types


@body_limit.takes(body_limit.form_max_bytes)
@page_for_members
@require_http_methods(["GET", "HEAD", "POST"])
def new_group(request: HttpRequest) -> HttpResponse:
    """One form for the group and its first photos, with or without JavaScript."""
    caller = caller_of(request)
    is_sent = request.method == "POST"
    sent = (request.POST, request.FILES) if is_sent else ()
    form = NewGroupForm(*sent, caller=caller)
    code = 200
    if is_sent:
        if form.is_valid():
            about = dict(form.cleaned_data)
            team, files = about.pop("team"), about.pop("photos")
            photos = [(file, file_check.described(file)) for file in files]
            try:
                group, _ = group_with_photos.create_received(team, caller.user, about, photos)
            except StorageUnavailable:
                form.add_error(None, "The photo store does not answer. Please try again soon.")
            except group_with_photos.TeamGone:
                form.add_error("team", "This team is gone.")
            else:
                return redirect(group)
        code = 400
    context = {"form": form, "is_admin": is_admin(caller)}
    return render(request, "groups/new.html", context, status=code)
