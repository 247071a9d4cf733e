"""The trash of a group, removing photos from its pages, and ending a group for good."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib import messages
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.utils.translation import gettext as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_http_methods, require_POST

from bandpics.error_handlers import page_for_members
from groups import trash as group_trash
from groups.models import Group
from images.access import MemberAccess
from images.lifecycle import bulk, editing, trash
from images.models import Image, TakedownRequest
from images.storage.objects import StorageUnavailable
from images.views.desk import MEMBER, OWNER, desk_page
from images.views.ticked import all_but_refused, ticked

if TYPE_CHECKING:
    from uuid import UUID

    from django.http import HttpRequest, HttpResponse

    from images.models import ImageQuerySet
    from images.views.desk import Desk

PAGE_LIMIT = 60
REMOVED = "removed_photos"  # in the session, until it was shown


@desk_page(needs=OWNER)
@require_http_methods(["GET", "HEAD", "POST"])
def trash_page(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Shows the photos in the trash; a POST restores or purges those that are ticked."""
    in_trash = _in_trash(desk.group)
    if request.method == "POST":
        return _change(request, desk, in_trash)
    asked = TakedownRequest.objects.open().filter(image=OuterRef("pk"))
    rows = in_trash.select_related("trashed_by").with_variants().defer("exif", "search_vector")
    rows = rows.annotate(is_asked_for=Exists(asked)).order_by("-trashed_at", "-id")
    page = Paginator(rows, PAGE_LIMIT).get_page(request.GET.get("page"))
    for image in page.object_list:
        image.days_left = _days_left(image)  # type: ignore[attr-defined]  # for the template
    context = desk.context(page=page, trash_days=settings.TRASH_LIFETIME.days)
    return render(request, "groups/trash.html", context)


def _in_trash(group: Group) -> ImageQuerySet:
    rows = Image.objects.in_group(group).trashed()
    return rows.filter(version__gt=0, trashed_at__gte=group_trash.end_of_lifetime())


def _days_left(image: Image) -> int:
    assert image.trashed_at is not None  # noqa: S101 - for the type checker
    left = image.trashed_at + settings.TRASH_LIFETIME - timezone.now()
    return max(1, -(-left // timedelta(days=1)))


def _change(request: HttpRequest, desk: Desk, in_trash: ImageQuerySet) -> HttpResponse:
    action, is_confirmed = request.POST.get("action"), "confirmed" in request.POST
    back = redirect("trash", desk.group.pk)
    if action == "empty":
        if not is_confirmed:
            return _confirm(request, desk, action=action, count=in_trash.count())
        _purge(request, set(in_trash.values_list("pk", flat=True)))
        return back
    ids = ticked(request, in_trash)
    if not ids:
        return back
    if action == "purge" and not is_confirmed:
        return _confirm(request, desk, action=action, count=len(ids), ids=ids)
    if action == "purge":
        _purge(request, ids)
    else:
        restore(request, ids, desk=desk)
    return back


def _confirm(request: HttpRequest, desk: Desk, **more: Any) -> HttpResponse:
    return render(request, "groups/trash_confirm.html", desk.context(**more))


def _purge(request: HttpRequest, ids: set[UUID]) -> None:
    count = trash.expire(ids)
    text = ngettext(
        "{count} photo is being deleted for good.",
        "{count} photos are being deleted for good.",
        count,
    )
    messages.success(request, text.format(count=count))


def restore(request: HttpRequest, ids: set[UUID], *, desk: Desk) -> None:
    """Restores photos, and says which of them could not be."""
    try:
        why = all_but_refused(ids, lambda left: bulk.restore(left, by=desk.access.user))
    except StorageUnavailable:
        text = _("The photo store does not answer. Nothing was changed; try again soon.")
        messages.error(request, text)
        return
    if done := len(ids) - len(why):
        text = ngettext("{count} photo is back.", "{count} photos are back.", done)
        messages.success(request, text.format(count=done))
    twins = sum(each == editing.DUPLICATE for each in why.values())
    if twins:
        text = ngettext(
            "{count} photo stays in the trash: the group shows the same photo.",
            "{count} photos stay in the trash: the group shows the same photos.",
            twins,
        )
        messages.warning(request, text.format(count=twins))
    if late := len(why) - twins:
        text = ngettext(
            "{count} photo cannot come back: its time in the trash is over.",
            "{count} photos cannot come back: their time in the trash is over.",
            late,
        )
        messages.warning(request, text.format(count=late))


# --- From the gallery and the page of a photo --------------------------------------------------


@desk_page(needs=MEMBER)
@require_POST
def remove_photos(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Moves ticked photos to the trash: owners any, members their own. The gallery then offers to
    restore them."""
    kept = Image.objects.in_group(desk.group).kept()
    ids = ticked(request, kept)
    rights = desk.access.rights_on_all(list(kept.filter(pk__in=ids).only(*_RIGHTS_COLUMNS)))
    mine = {image_id for image_id, each in rights.items() if each.may_change}
    if mine:
        own = {image_id for image_id in mine if rights[image_id].is_own}
        bulk.put_in_trash(mine, by=desk.access.user, own=own)
        request.session[REMOVED] = [str(image_id) for image_id in mine]
    if others := len(ids) - len(mine):
        text = ngettext(
            "{count} photo stays: only owners remove photos of other people.",
            "{count} photos stay: only owners remove photos of other people.",
            others,
        )
        messages.warning(request, text.format(count=others))
    return redirect(_gallery_url(request, desk))


_RIGHTS_COLUMNS = ("group", "uploaded_by", "trashed_at", "trashed_by_uploader")


@desk_page(needs=MEMBER)
@require_POST
def restore_photos(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Takes photos back that were just removed: owners any, members what they removed."""
    rows = Image.objects.in_group(desk.group).trashed()
    ids = ticked(request, rows)
    images = list(rows.filter(pk__in=ids).only(*_RIGHTS_COLUMNS))
    rights = desk.access.rights_on_all(images)
    mine = {image.pk for image in images if rights[image.pk].may_restore(image)}
    if mine:
        restore(request, mine, desk=desk)
    return redirect(_gallery_url(request, desk))


def removed_just_now(request: HttpRequest) -> list[str]:
    """The photos that the last call of remove_photos() moved to the trash, told once."""
    return list(request.session.pop(REMOVED, []))


def _gallery_url(request: HttpRequest, desk: Desk) -> str:
    """The page of the gallery from which the form was sent."""
    back = request.POST.get("back", "")
    gallery = reverse("group-gallery", args=[desk.group.pk])
    is_ours = back.startswith(gallery) and url_has_allowed_host_and_scheme(back, None)
    return back if is_ours else gallery


# --- A group in the trash -----------------------------------------------------------------------


@page_for_members
@require_http_methods(["GET", "HEAD", "POST"])
def purge_group(request: HttpRequest, group_id: UUID) -> HttpResponse:
    """Ends a group in the trash for good, once an owner has typed its name."""
    owned = Group.objects.trash_owned_by(MemberAccess.of(request)).select_related("team")
    rows = owned.filter(trashed_at__gte=group_trash.end_of_lifetime())
    group = get_object_or_404(rows, pk=group_id)
    typed = " ".join(request.POST.get("name", "").split())
    is_wrong = request.method == "POST" and typed.lower() != " ".join(group.name.split()).lower()
    if request.method == "POST" and not is_wrong:
        if group_trash.expire(group):
            text = _("“{name}” is being deleted for good, with all its photos and links.")
            messages.success(request, text.format(name=group.name))
        return redirect("home")
    context = {
        "group": group,
        "typed": typed,
        "is_wrong": is_wrong,
        "photo_count": Image.objects.in_group(group).filter(version__gt=0).count(),
    }
    return render(request, "groups/purge.html", context, status=422 if is_wrong else 200)
