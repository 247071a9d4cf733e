from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class InvitationsConfig(AppConfig):
    name = "invitations"

    def ready(self) -> None:
        import_module("invitations.api.schema")  # registers itself
