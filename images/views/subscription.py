"""A member asks for mails about new photos of a group, or stops them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.shortcuts import redirect
from django.utils.translation import get_language
from django.utils.translation import gettext as _
from django.views.decorators.http import require_POST

from groups import subscriptions
from images.views.desk import Desk, desk_page
from invitations import mail

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


@desk_page()
@require_POST
def subscription(request: HttpRequest, desk: Desk) -> HttpResponse:
    """Starts the mails if the form says `wanted=yes`, else stops them."""
    user = desk.access.user
    if request.POST.get("wanted") == "yes":
        subscriptions.subscribe(user, desk.group, language=get_language() or "en")
        messages.success(request, _("You will get a mail when somebody has added photos."))
    else:
        subscriptions.unsubscribe(user, desk.group)
        messages.success(request, _("You will get no more mails about new photos."))
    return redirect("group-gallery", desk.group.pk)


def context(desk: Desk) -> dict[str, Any]:
    """Returns what templates/groups/_subscription.html needs."""
    if not mail.can_send():
        return {"offers_mails": False}
    return {
        "offers_mails": True,
        "is_subscribed": subscriptions.is_subscribed(desk.access.user, desk.group),
    }
