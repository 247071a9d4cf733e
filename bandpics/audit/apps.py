from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class AuditConfig(AppConfig):
    name = "bandpics.audit"
    label = "audit"

    def ready(self) -> None:
        import_module("bandpics.audit.signals")  # connects itself to sign-ins and the admin's log
