"""What the forms of a photo's page change, by the same functions as the API."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings
from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_POST

from bandpics.middleware import body_limit
from images.lifecycle import bulk, editing, forget_location, moving
from images.models import Image, locks
from images.processing import versions
from images.storage.objects import StorageUnavailable
from images.uploads import announce, file_check, quota, server_upload
from images.views import map_picker
from images.views.moderation import DecisionForm
from images.views.photo import Opened, photo_page, show
from images.views.photo_form import MoveForm, PhotoForm, ReplaceForm

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

SAVE_TRIES = 3
# What stands around the file in the form.
ROOM_FOR_THE_REST = 256 * 1024
MEANWHILE = gettext_lazy(
    "Somebody else saved this photo while you wrote. Nothing of yours is saved yet, and nothing is"
    " lost: look at the marked fields, and save again."
)
IN_PROCESS = gettext_lazy("A worker has this photo just now. Please try again in a moment.")
STORE_IS_AWAY = gettext_lazy(
    "The photo store does not answer. Nothing was changed; try again soon."
)


@map_picker.allow_tiles
@photo_page(changes=True)
@require_POST
def edit_photo(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Saves the description, the time and the place."""
    form = PhotoForm(opened.image, request.POST)
    if not form.is_valid():
        return show(request, opened, form=form, status=400)
    if not _save(form, opened):
        return show(request, opened, form=form.merged(MEANWHILE), status=409)
    messages.success(request, _("Your changes are saved."))
    return opened.again()


def _save(form: PhotoForm, opened: Opened) -> bool:
    """False if somebody else was faster with the same fields."""
    for _try in range(SAVE_TRIES):
        if form.conflicts():
            return False
        columns = form.columns()
        if not columns:
            return True
        expected = {"updated_at": form.image.updated_at}
        try:
            editing.change(form.image, columns, expected=expected, by=opened.access.user)
        except editing.ChangedMeanwhile:
            now = opened.access.images().ready().filter(pk=form.image.pk).first()
            if now is None:
                return False
            form.read_again(now)
        else:
            return True
    return False


@photo_page(changes=True)
@require_POST
def forget_place(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Forgets where the photo was taken, for good."""
    try:
        outcome = forget_location.forget(opened.image.pk, by=opened.access.user)
    except forget_location.Gone:
        return redirect("group-gallery", opened.image.group_id)
    except (versions.InProcess, locks.Busy):
        messages.error(request, IN_PROCESS)
    except StorageUnavailable:
        messages.error(request, STORE_IS_AWAY)
    else:
        if outcome.original == forget_location.Original.DROPPED:
            text = _("The place was removed, and with it the original, which could not be edited.")
        else:
            text = _("The place was removed, from the original, too.")
        messages.success(request, text)
    return opened.again()


def _one_photo(request: HttpRequest) -> int:
    one_photo = int(settings.UPLOAD_MAX_BYTES) + ROOM_FOR_THE_REST
    return min(one_photo, body_limit.form_max_bytes(request))


@body_limit.takes(_one_photo)
@map_picker.allow_tiles
@photo_page(changes=True)
@require_POST
def replace_photo(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Takes another file for the photo, which shows the old one until the new one is processed."""
    image = opened.image
    form = ReplaceForm(image, request.POST, request.FILES)
    if not form.is_valid():
        return show(request, opened, replace_form=form, status=422)
    file, status = form.cleaned_data["file"], 409
    try:
        server_upload.replace_file(
            image,
            file,
            file_check.described(file, unnamed=_("Photo")),
            uploader=opened.access.key,
            expected={"version": form.cleaned_data["version"]},
        )
    except announce.ChangedMeanwhile:
        text = _("Somebody else replaced the file meanwhile. Look at it first.")
        form.refuse(None, text)
    except quota.Exhausted:
        form.refuse("file", _("The link by which the photo came is full."))
    except StorageUnavailable:
        form.refuse("file", _("The photo store does not answer. Please send it again soon."))
        status = 503
    else:
        return opened.again()
    return show(request, opened, replace_form=form, status=status)


@map_picker.allow_tiles
@photo_page(changes=True)
@require_POST
def move_photo(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Moves the photo to another group."""
    image = opened.image
    form = MoveForm(image, opened.access, request.POST)
    if not form.is_valid():
        return show(request, opened, move_form=form, status=422)
    group, status = form.cleaned_data["group"], 409
    try:
        moving.move(image, group, {}, expected={"group": image.group_id}, by=opened.access.user)
    except editing.DuplicateInGroup:
        form.add_error("group", _("That group shows the same photo already."))
    except editing.ChangedMeanwhile:
        form.add_error(None, _("Somebody changed this photo meanwhile. Please look at it again."))
    except (versions.InProcess, locks.Busy):
        form.add_error(None, IN_PROCESS)
    except StorageUnavailable:
        form.add_error(None, STORE_IS_AWAY)
        status = 503
    else:
        messages.success(request, _("The photo is in “{group}” now.").format(group=group.name))
        return redirect("photo", image.pk)
    return show(request, opened, move_form=form, status=status)


@photo_page(decides=True)
@require_POST
def decide_photo(request: HttpRequest, opened: Opened) -> HttpResponse:
    """Decides whether guests see the photo."""
    form = DecisionForm(request.POST)
    if not form.is_valid():
        messages.error(request, _("Nothing was changed: a reason has up to 500 letters."))
        return opened.again()
    said, seen = form.cleaned_data, request.POST.get("seen", "")
    expected = seen if seen in Image.Moderation.values else ""
    reason = said["own_reason"].strip() or said["reason"]
    try:
        bulk.moderate(
            [opened.image.pk],
            said["action"],
            by=opened.access.user,
            reason=reason,
            expected=expected,
        )
    except editing.Refused:
        text = _("Somebody else has decided about this photo meanwhile. That stays: look first.")
        messages.warning(request, text)
    return opened.again()
