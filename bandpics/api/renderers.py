"""The browsable API under our Content-Security-Policy."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.renderers import BrowsableAPIRenderer

if TYPE_CHECKING:
    from collections.abc import Mapping


class BrowsableRenderer(BrowsableAPIRenderer):
    """Its templates carry style attributes (no scripts): allowed on these pages alone."""

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> str:
        if renderer_context:
            renderer_context["response"]._csp_update = {"style-src": ["'unsafe-inline'"]}
        return super().render(data, accepted_media_type, renderer_context)
