"""Makes Django admin use the site of images.admin_site, and lets those load it who show it."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin import checks as admin_checks
from django.contrib.admin.apps import SimpleAdminConfig
from django.core import checks


class AdminConfig(SimpleAdminConfig):
    """Loads the admin with the URLs, and for checks: a worker needs none of it."""

    default_site = "images.admin_site.Site"

    def ready(self) -> None:
        checks.register(admin_checks.check_dependencies, checks.Tags.admin)
        checks.register(_check, checks.Tags.admin)


def _check(**options: Any) -> list[checks.CheckMessage]:
    admin.autodiscover()
    return list(admin_checks.check_admin_app(**options))
