"""The wall: a full-screen page for a projector, behind a link of its own, `/w/<token>/`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.http import HttpResponse, HttpResponseNotModified, JsonResponse
from django.shortcuts import render
from django.utils.cache import add_never_cache_headers
from django.utils.decorators import method_decorator
from django.utils.http import parse_etags
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bandpics import limits
from bandpics.telemetry import context as telemetry
from images.listing import wall_photos
from invitations import qr, tokens

if TYPE_CHECKING:
    from django.http import HttpRequest
    from django.http.response import HttpResponseBase

SHOWN_AT_ONCE = 20
BODY_BYTES = 4096


# No CSRF token: the link in the path is the credential, as on the pages of guests.
@method_decorator(csrf_exempt, name="dispatch")
class WallView(View):
    """An address of a wall. It answers alike for every method what is unknown or has ended."""

    http_method_names = ["get", "head", "options"]
    wall: Any  # as wall_photos.find() returns it
    token: str

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        self.token = kwargs.pop("wall_token")
        answer = self._refusal() or super().dispatch(request, *args, **kwargs)
        if not answer.has_header("Cache-Control"):
            add_never_cache_headers(answer)
        return answer

    def _refusal(self) -> HttpResponse | None:
        is_token = len(self.token) == tokens.TOKEN_LENGTH and self.token.isascii()
        wall = wall_photos.find(self.token) if is_token else None
        if wall is None:
            answer = self.ended("unknown")
            if seconds := limits.consume(("guess", limits.address_of(self.request))):
                answer.status_code, answer["Retry-After"] = 429, str(seconds)
            return answer
        if wall.revoked_at is not None or wall.group.trashed_at is not None:
            return self.ended("ended")
        self.wall = wall
        telemetry.say(credential="wall", wall_id=wall.pk, group_id=wall.group.pk)
        if seconds := limits.consume(("wall", str(wall.pk))):
            return HttpResponse(status=429, headers={"Retry-After": str(seconds)})
        return None

    def ended(self, reason: str) -> HttpResponse:
        """What the address of a wall answers that is unknown or has ended."""
        return JsonResponse({"reason": reason}, status=403)


class WallPage(WallView):
    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        link, short = wall_photos.link_of(self.wall)
        context = {
            "wall": self.wall,
            "group": self.wall.group,
            "token": self.token,
            "frame": wall_photos.frame_of(self.wall),
            "code": qr.inline(link) if link else "",
            "short_address": short,
        }
        return render(request, "walls/wall.html", context)

    def ended(self, reason: str) -> HttpResponse:
        return render(self.request, "walls/ended.html", {"reason": reason}, status=403)


class WallPhotos(WallView):
    """What the wall shows next. Its script asks every few seconds."""

    def get(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        wall = self.wall
        wall_photos.record_sight(wall)
        after = request.GET.get("after", "")
        is_settled = wall_photos.is_settled(wall)
        etag = f'"{wall_photos.version_of(wall)}"'
        known = parse_etags(request.headers.get("If-None-Match", ""))
        answer: HttpResponse
        # Whoever got this version got the photos on its screen with it, or before.
        if is_settled and etag in known:
            answer = HttpResponseNotModified()
        else:
            on_screen = _id(request.GET.get("shows", ""))
            place = wall_photos.Place.read(after)
            photos = wall_photos.photos_json(wall, after=place, on_screen=on_screen)
            answer = JsonResponse({"frame": wall_photos.frame_of(wall), **photos})
        answer["Cache-Control"] = "private, no-cache"
        if is_settled:
            answer["ETag"] = etag
        return answer


class WallShown(WallView):
    """The wall says which photos it shows, so that their uploaders can be told."""

    http_method_names = ["post", "options"]

    def post(self, request: HttpRequest, **kwargs: Any) -> HttpResponse:
        ids = _ids(request)
        if ids is None:
            return JsonResponse({"reason": "ids"}, status=400)
        wall_photos.mark_shown(self.wall, ids)
        return HttpResponse(status=204)


def _ids(request: HttpRequest) -> list[UUID] | None:
    """Returns the ids of a body `{"ids": […]}`. None: it is none, or has too many."""
    if int(request.META.get("CONTENT_LENGTH") or 0) > BODY_BYTES:
        return None
    try:
        found = json.loads(request.body)["ids"]
    except (ValueError, TypeError, KeyError, RecursionError):
        return None
    if not isinstance(found, list) or not 1 <= len(found) <= SHOWN_AT_ONCE:
        return None
    ids = [_id(each) for each in found]
    return [each for each in ids if each is not None] if all(ids) else None


def _id(text: object) -> UUID | None:
    try:
        return UUID(text) if isinstance(text, str) and len(text) <= 40 else None
    except ValueError:
        return None
