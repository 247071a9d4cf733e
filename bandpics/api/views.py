"""The API's own pages: its root, its description, its documentation, its problems explained."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from csp.decorators import csp_update
from django.conf import settings
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.decorators.http import require_safe
from drf_spectacular.utils import extend_schema
from drf_spectacular.views import SpectacularAPIView, SpectacularSwaggerSplitView
from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.reverse import reverse

from bandpics.api.base import ApiView
from bandpics.api.problems import EXPLANATIONS

if TYPE_CHECKING:
    from django.http.response import HttpResponseBase
    from rest_framework.request import Request


@require_safe
def explain_problem(request: HttpRequest, slug: str) -> HttpResponse:
    """Shows the page that a problem's `type` points to."""
    if slug not in EXPLANATIONS:
        raise Http404
    with translation.override(settings.LANGUAGE_CODE):
        return render(request, "problem.html", {"slug": slug, "explanation": EXPLANATIONS[slug]})


class Root(ApiView):
    """Collect the photos of an evening. Every resource there is, by its address."""

    authentication_classes = [SessionAuthentication]  # only to greet people
    permission_classes = [AllowAny]
    resources: ClassVar = {
        "docs": "docs",
        "schema": "schema",
        "token": "token",
        "users": "user-list",
        "me": "me",
        "keys": "key-list",
        "teams": "team-list",
        "groups": "group-list",
        "invitations": "invitation-list",
        "uploads": "upload-list",
        "images": "image-list",
        "stats": "stats",
        "audit_events": "audit-event-list",
    }

    @extend_schema(
        auth=[],
        responses={
            200: {"type": "object", "additionalProperties": {"type": "string", "format": "uri"}}
        },
    )
    def get(self, request: Request) -> Response:
        """Every resource by its address."""
        return Response(
            {name: reverse(route, request=request) for name, route in self.resources.items()}
        )


class Schema(SpectacularAPIView):
    """The OpenAPI file, always in English."""

    permission_classes = [AllowAny]
    authentication_classes = []

    def dispatch(self, *args: Any, **kwargs: Any) -> HttpResponseBase:
        with translation.override(settings.LANGUAGE_CODE):
            return super().dispatch(*args, **kwargs)


# Swagger UI sets styles of its own and draws its icons from data: addresses.
@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class Docs(SpectacularSwaggerSplitView):
    permission_classes = [AllowAny]
    authentication_classes = []
    url_name = "schema"
