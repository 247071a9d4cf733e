"""The page on which a member creates a group with its first photos."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from bandpics.error_handlers import page_for_members
from bandpics.middleware import body_limit
from groups.models import Group, Team, is_admin
from images.access import MemberAccess
from images.photofile import formats
from images.storage.objects import StorageUnavailable
from images.uploads import announce, file_check, group_with_photos

if TYPE_CHECKING:
    from django.core.files.uploadedfile import UploadedFile
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.access import Access


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

    def __init__(self, *args: Any, access: Access, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.label_suffix = ""
        teams = Team.objects.writable_by(access).order_by("name")
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
    """Creates a group and its first photos from one form, with or without JavaScript."""
    access = MemberAccess.of(request)
    is_post = request.method == "POST"
    sent = (request.POST, request.FILES) if is_post else ()
    form = NewGroupForm(*sent, access=access)
    if is_post and form.is_valid():
        columns = dict(form.cleaned_data)
        team, files = columns.pop("team"), columns.pop("photos")
        photos = [(file, file_check.described(file)) for file in files]
        try:
            group, _ = group_with_photos.create_received(team, access, columns, photos)
        except StorageUnavailable:
            form.add_error(None, "The photo store does not answer. Please try again soon.")
        except group_with_photos.TeamGone:
            form.add_error("team", "This team is gone.")
        else:
            return redirect(group)
    context = {"form": form, "is_admin": is_admin(access)}
    return render(request, "groups/new.html", context, status=400 if is_post else 200)
