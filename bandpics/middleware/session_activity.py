"""Records when a session was last used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.utils.deprecation import MiddlewareMixin

from bandpics.users import sessions

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse


class SessionActivity(MiddlewareMixin):
    """Middleware that looks only at sessions that the view has read anyway."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        session = request.session
        if session.accessed and isinstance(session, sessions.SessionStore):
            sessions.record_activity(session)
        return response
