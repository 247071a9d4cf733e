from __future__ import annotations

from importlib import import_module

from django.apps import AppConfig


class ImagesConfig(AppConfig):
    name = "images"

    def ready(self) -> None:
        import_module("images.signals")  # connects
        import_module("images.captions.checks")  # registers
