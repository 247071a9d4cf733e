"""The page that lists on which devices a person is signed in."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.contrib import messages
from django.shortcuts import redirect, render
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext
from django.views.decorators.http import require_POST, require_safe

from bandpics.account.frame import account_page
from bandpics.users import sessions

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse

    from bandpics.users.models import User


@account_page
@require_safe
def sessions_page(request: HttpRequest, user: User) -> HttpResponse:
    found = sessions.of(user, current=request.session.session_key)
    return render(
        request, "account/sessions.html", {"sessions": found, "has_others": len(found) > 1}
    )


@account_page
@require_POST
def end_sessions(request: HttpRequest, user: User) -> HttpResponse:
    """Ends one session of the person, or all but this one."""
    current, handle = request.session.session_key, request.POST.get("session", "")
    if not handle:
        count = sessions.end_others(user, current=current)
        text = ngettext(
            "One other sign-in was ended.", "%(count)d other sign-ins were ended.", count
        )
        messages.success(request, text % {"count": count})
    elif sessions.end(user, handle=handle, current=current):
        messages.success(request, _("That device is signed out."))
    else:
        messages.info(request, _("That sign-in had ended already."))
    return redirect("sessions")
