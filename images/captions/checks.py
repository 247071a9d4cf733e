"""System checks of the settings of captions: half of them set is none."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Warning, register

NAMES = ("CAPTION_PROVIDER", "CAPTION_API_KEY", "CAPTION_MODEL")


@register()
def settings_are_whole(**_: Any) -> list[CheckMessage]:
    """Says which setting is missing where some are set: no caption is written, and nothing else
    would tell."""
    given = [name for name in (*NAMES, "CAPTION_BASE_URL") if getattr(settings, name)]
    missing = [name for name in NAMES if not getattr(settings, name)]
    if not given or not missing:
        return []
    what = f"No captions are written: {', '.join(given)} is set, but not {', '.join(missing)}."
    hint = (
        "Set CAPTION_PROVIDER, CAPTION_API_KEY (a local server takes any) and CAPTION_MODEL, or "
        "leave all of them out. See docs/captions.md."
    )
    return [Warning(what, hint=hint, id="images.W001")]
