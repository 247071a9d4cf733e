"""The start page of Django admin: an overview for operators, and what only they read in its own
section."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.db.models import Count
from django.template.response import TemplateResponse
from django.urls import path, reverse
from django.utils import timezone

from bandpics import health
from groups.models import Group, Team
from images.listing import stats
from images.models import Image, PendingDeletion, TakedownRequest, Upload
from images.reconcile import compare
from images.storage.objects import StorageUnavailable
from invitations.models import Invitation, OutgoingMail

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern, URLResolver

    from images.reconcile.report import Report

# Rows that the processes write for themselves.
INTERNALS = {
    *("PendingDeletion", "Variant", "Upload", "OutgoingMail", "ExternalIdentity", "GroupVisit"),
    *("GroupLogo", "Licence"),
}
BAR_WIDTH, CHART_HEIGHT = 20, 120  # pixels
FAILURE_DAYS = 7
RECONCILE_PHOTOS = 2000  # a request waits for them


@dataclass(frozen=True)
class Figure:
    """One number of the overview, and the list that it counts."""

    label: str
    value: int | str
    url: str = ""
    is_bad: bool = False


@dataclass(frozen=True)
class Bar:
    """One day of the chart of uploads; lengths in pixels."""

    x: int
    y: int
    height: int
    text: str


class Site(admin.AdminSite):
    """Django's admin with an overview on its start page."""

    site_header = site_title = "Bandpics"
    index_title = "Bandpics for operators"
    enable_nav_sidebar = False  # lists need the width

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        more = overview() if request.user.has_perm("images.view_image") else {}
        return super().index(request, {**more, **(extra_context or {})})

    def get_urls(self) -> list[URLResolver | URLPattern]:
        page = path("reconcile/", self.admin_view(self.reconcile), name="reconcile")
        return [page, *super().get_urls()]

    def reconcile(self, request: HttpRequest) -> HttpResponse:
        """Compares one group with the bucket and, if asked to, repairs what differs."""
        if not request.user.is_superuser:
            raise PermissionDenied
        form = ReconcileForm(request.POST if request.method == "POST" else None)
        context = {**self.each_context(request), "title": "Reconcile", "form": form}
        if form.is_valid():
            group, repairs = form.cleaned_data["group"], form.cleaned_data["repairs"]
            try:
                report = _reconciled(group, repairs=repairs)
                context["report"] = report.as_text(is_repairing=repairs)
            except CannotReconcile as refusal:
                form.add_error(None, str(refusal))
        return TemplateResponse(request, "admin/reconcile.html", context)

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Puts the tables of INTERNALS into a section of their own, the last one."""
        apps: list[Any] = super().get_app_list(request, app_label)
        if app_label is not None:
            return apps
        internals = []
        for app in apps:
            internals += [model for model in app["models"] if model["object_name"] in INTERNALS]
            app["models"] = [m for m in app["models"] if m["object_name"] not in INTERNALS]
        shown = [app for app in apps if app["models"]]
        if internals:
            section = {"name": "Internals", "app_label": "internals", "app_url": ""}
            shown.append({**section, "has_module_perms": True, "models": internals})
        return shown


class ReconcileForm(forms.Form):
    group = forms.UUIDField(label="Group", help_text="Its id, as in the address of its page.")
    repairs = forms.BooleanField(label="Repair what differs", required=False)

    def clean_group(self) -> Group:
        group = Group.objects.filter(pk=self.cleaned_data["group"]).first()
        if group is None:
            raise forms.ValidationError("There is no such group.")
        if group.images.count() > RECONCILE_PHOTOS:
            raise forms.ValidationError(
                f"It has more than {RECONCILE_PHOTOS} photos, and this page would wait for too "
                f"long. On the server: manage.py reconcile --group {group.pk}"
            )
        return group


class CannotReconcile(Exception):
    """The comparison did not run; the text says why and what to do."""


def _reconciled(group: Group, *, repairs: bool) -> Report:
    try:
        return compare.reconcile(compare.Options(repairs=repairs, group=group))
    except compare.Running:
        raise CannotReconcile("Another reconcile is running; wait for it.") from None
    except compare.WrongPlace:
        raise CannotReconcile(
            "The bucket holds nothing of this group, or the other way round. Nothing was changed. "
            "Check S3_BUCKET and DATABASE_URL."
        ) from None
    except StorageUnavailable:
        raise CannotReconcile(
            "The photo store does not answer. What was repaired stays so; please try again."
        ) from None


def overview() -> dict[str, Any]:
    """Returns the figures and the chart of the start page; the same number of queries always."""
    numbers = stats.of(Group.objects.kept())
    return {
        "figures": [*_contents(numbers), *_work(numbers)],
        "failures": _failures(),
        "failure_days": FAILURE_DAYS,
        "bars": bars(numbers.uploads_per_day),
        "chart_width": BAR_WIDTH * stats.DAYS,
        "chart_height": CHART_HEIGHT,
        "uploads_per_day": numbers.uploads_per_day,
    }


def _contents(numbers: stats.Stats) -> list[Figure]:
    ready = Image.objects.filter(group__trashed_at=None)
    takedowns = TakedownRequest.objects.filter(state=TakedownRequest.State.OPEN).count()
    return [
        Figure("Photos", numbers.photos, _list("images_image", "trashed_at__isempty=1")),
        Figure("Groups", numbers.groups, _list("groups_group", "trashed_at__isempty=1")),
        Figure("Teams", Team.objects.count(), _list("groups_team")),
        Figure("Open links", Invitation.objects.open().count(), _list("invitations_invitation")),
        Figure(
            "Wait for approval",
            ready.waiting_for_approval().count(),
            _list("images_image", "moderation__exact=pending&trashed_at__isempty=1"),
        ),
        Figure("Asked to remove", takedowns, _list("images_takedownrequest", "state__exact=open")),
        Figure("In the trash", numbers.trashed, _list("images_image", "trashed_at__isempty=0")),
    ]


def _work(numbers: stats.Stats) -> list[Figure]:
    mails = OutgoingMail.objects.order_by().values_list("state").annotate(Count("pk"))
    mail_counts: dict[str, int] = dict(mails)
    waiting, failed = mail_counts.get("queued", 0), mail_counts.get("failed", 0)
    swept = health.seconds_since_sweep()
    uploads, mail = "images_upload", "invitations_outgoingmail"
    broker = "unknown" if numbers.broker is None else numbers.broker
    return [
        Figure("Uploads in the queue", numbers.waiting, _list(uploads, "status__exact=queued")),
        Figure("Messages at the broker", broker),
        Figure("Mails to send", waiting, _list(mail, "state__exact=queued")),
        Figure("Mails given up", failed, _list(mail, "state__exact=failed"), is_bad=bool(failed)),
        Figure("Deletions to do", PendingDeletion.objects.count(), _list("images_pendingdeletion")),
        Figure(
            "Seconds since the last sweep",
            "unknown" if swept is None else swept,
            is_bad=swept is None or swept > 60,
        ),
    ]


def _failures() -> list[Figure]:
    """Counts the uploads that failed in the last days, by reason."""
    since = timezone.now() - timedelta(days=FAILURE_DAYS)
    rows = Upload.objects.filter(status=Upload.Status.FAILED, finished_at__gte=since)
    counted = rows.order_by().values_list("failure").annotate(Count("pk"))
    return [
        Figure(
            str(Upload.Failure(failure).label),
            count,
            _list("images_upload", f"failure__exact={failure}"),
            is_bad=True,
        )
        for failure, count in sorted(counted)
    ]


def _list(name: str, query: str = "") -> str:
    return reverse(f"admin:{name}_changelist") + (f"?{query}" if query else "")


def bars(uploads_per_day: list[dict[str, Any]]) -> list[Bar]:
    """Returns one bar for each day; the highest fills the chart."""
    most = max(1, *(day["count"] for day in uploads_per_day))
    heights = [round(CHART_HEIGHT * day["count"] / most) for day in uploads_per_day]
    return [
        Bar(BAR_WIDTH * i, CHART_HEIGHT - height, height, f"{day['date']}: {day['count']}")
        for i, (day, height) in enumerate(zip(uploads_per_day, heights, strict=True))
    ]
