"""The page "Try the bucket from this browser" of Django admin, and what its script asks."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import wraps
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.http import JsonResponse
from django.template.defaultfilters import filesizeformat
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from images.storage import diagnosis
from images.storage.diagnosis import Failure
from images.storage.objects import StorageUnavailable, photo_storage
from images.storage.trial import PICTURE_MAX_BYTES, Trial

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.contrib.admin import AdminSite
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern

    from images.storage.presign import SignedRequest

    View = Callable[[HttpRequest], HttpResponse]
    Answer = Callable[..., dict[str, Any]]

PERMISSION = "images.view_image"


class TrialField(forms.CharField):
    """The token of a trial."""

    def clean(self, value: Any) -> Any:
        try:
            return Trial.of(super().clean(value))
        except signing.BadSignature:
            raise forms.ValidationError(
                gettext_lazy("This trial has ended. Please start it again.")
            ) from None


class StartForm(forms.Form):
    picture_bytes = forms.IntegerField(min_value=1, max_value=PICTURE_MAX_BYTES)
    browser_time_ms = forms.FloatField(min_value=0, max_value=1e14)


class FailureForm(forms.Form):
    trial = TrialField()
    is_large = forms.BooleanField(required=False)
    is_shown = forms.BooleanField(required=False)
    status = forms.IntegerField(min_value=0, max_value=999)
    answer = forms.CharField(required=False, max_length=2000)
    is_reachable = forms.BooleanField(required=False)
    is_silent = forms.BooleanField(required=False)
    is_blocked = forms.BooleanField(required=False)


class EndForm(forms.Form):
    trial = TrialField()
    sent = forms.IntegerField(min_value=0, max_value=2)


def urls(site: AdminSite) -> list[URLPattern]:
    def of(view: View) -> Any:
        return site.admin_view(_permitted(view))

    return [
        path("bucket/", of(lambda request: page(request, site)), name="bucket"),
        path("bucket/start/", of(start), name="bucket-start"),
        path("bucket/explain/", of(explain), name="bucket-explain"),
        path("bucket/end/", of(end), name="bucket-end"),
    ]


def _permitted(view: View) -> View:
    def permitted(request: HttpRequest) -> HttpResponse:
        if not request.user.has_perm(PERMISSION):
            raise PermissionDenied
        return view(request)

    return permitted


def page(request: HttpRequest, site: AdminSite) -> HttpResponse:
    large = filesizeformat(settings.MULTIPART_THRESHOLD_BYTES)
    steps = {
        "server": _("This server reaches the bucket"),
        "clock": _("The clocks agree"),
        "picture": _("A picture from this browser arrives"),
        "shown": _("The picture is shown"),
        "large": _("A file of %(size)s from this browser arrives") % {"size": large},
        "end": _("The server finds what arrived, and removes it"),
    }
    context = {
        **site.each_context(request),
        "title": _("Try the bucket from this browser"),
        "steps": steps,
        "stall_ms": int(settings.UPLOAD_STALL_SECONDS * 1000),
    }
    return TemplateResponse(request, "admin/bucket.html", context)


def _answering(form_class: type[forms.Form]) -> Callable[[Answer], View]:
    """Makes a view of a function that returns JSON for the values of a form. The view refuses
    values that are not valid (422)."""

    def decorate(answer: Answer) -> View:
        @never_cache
        @require_POST
        @wraps(answer)
        def view(request: HttpRequest) -> JsonResponse:
            form = form_class(request.POST)
            if form.is_valid():
                return JsonResponse(answer(request, **form.cleaned_data))
            found = [f"{name}: {' '.join(map(str, said))}" for name, said in form.errors.items()]
            return JsonResponse({"problem": " ".join(found)}, status=422)

        return view

    return decorate


@_answering(StartForm)
def start(request: HttpRequest, picture_bytes: int, browser_time_ms: float) -> dict[str, Any]:
    """Answers what the browser sends where; or why the server itself does not reach the bucket."""
    storage = photo_storage()
    if problem := diagnosis.server_problem(storage):
        return {"problem": problem}
    trial = Trial.start(picture_bytes=picture_bytes)
    picture, large = trial.signed_puts(storage)
    ahead = browser_time_ms / 1000 - datetime.now(UTC).timestamp()
    return {
        "trial": trial.token,
        "picture": _request(picture),
        "shown": trial.shown(storage),
        "large": _request(large),
        "large_bytes": trial.large_bytes,
        "clock_problem": diagnosis.clock_problem(storage, browser_ahead_seconds=ahead),
    }


@_answering(FailureForm)
def explain(request: HttpRequest, trial: Trial, **seen: Any) -> dict[str, Any]:
    """Answers why a request of the browser failed."""
    failure = Failure(origin=request.headers.get("Origin") or settings.PUBLIC_URL, **seen)
    return {"problem": diagnosis.diagnose(photo_storage(), trial, failure)}


@_answering(EndForm)
def end(request: HttpRequest, trial: Trial, sent: int) -> dict[str, Any]:
    """Removes what was sent; answers what the server did not find of it."""
    storage = photo_storage()
    try:
        problem = trial.missing(storage, sent=sent)
        trial.remove(storage)
    except StorageUnavailable as error:
        problem = _("{error} The sweeper removes the files of this trial within two hours.").format(
            error=error
        )
    return {"problem": problem}


def _request(signed: SignedRequest) -> dict[str, Any]:
    return {"method": signed.method, "url": signed.url, "headers": signed.headers}
