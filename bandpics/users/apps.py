from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class UsersConfig(AppConfig):
    name = "bandpics.users"
    label = "users"

    def ready(self) -> None:
        import_module("bandpics.users.sessions")  # connects itself to user_logged_in
