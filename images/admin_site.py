"""The start page of Django admin: an overview for operators, and what only they read in its own
section."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.template.response import TemplateResponse
from django.urls import path
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from bandpics import __version__
from groups.models import Group
from images import admin_bucket, admin_overview
from images.reconcile import compare
from images.storage.objects import StorageUnavailable

if TYPE_CHECKING:
    from django.http import HttpRequest, HttpResponse
    from django.urls import URLPattern, URLResolver

    from images.reconcile.report import Report

# Rows that the processes write for themselves.
INTERNALS = {
    *("PendingDeletion", "Variant", "Upload", "OutgoingMail", "ExternalIdentity", "GroupVisit"),
    *("GroupLogo", "Licence"),
}
RECONCILE_PHOTOS = 2000  # a request waits for them


class Site(admin.AdminSite):
    """Django's admin with an overview on its start page."""

    # Only operators are told the version.
    site_header = f"Bandpics {__version__}"
    site_title = "Bandpics"
    index_title = gettext_lazy("Bandpics for operators")
    enable_nav_sidebar = False  # lists need the width

    def index(
        self, request: HttpRequest, extra_context: dict[str, Any] | None = None
    ) -> TemplateResponse:
        more = admin_overview.context() if request.user.has_perm("images.view_image") else {}
        return super().index(request, {**more, **(extra_context or {})})

    def get_urls(self) -> list[URLResolver | URLPattern]:
        page = path("reconcile/", self.admin_view(self.reconcile), name="reconcile")
        return [page, *admin_bucket.urls(self), *super().get_urls()]

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
            section = {"name": _("Internals"), "app_label": "internals", "app_url": ""}
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
