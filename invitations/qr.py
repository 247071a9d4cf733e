"""Draws upload links as QR codes."""

from __future__ import annotations

import io

import segno
from django.utils.safestring import SafeString, mark_safe

KINDS = ("svg", "png")


def draw(link: str, *, kind: str) -> bytes:
    """Draws black on white in any theme, with the quiet zone that scanners need."""
    buffer = io.BytesIO()
    # error=m survives a crease in a printed card; scale=8 makes about 400 pixels.
    segno.make_qr(link, error="m").save(buffer, kind=kind, scale=8, border=4, light="#fff")
    return buffer.getvalue()


def inline(link: str) -> SafeString:
    """Draws an SVG element for a page, which gives it its size and its name.

    It has no styles of its own, which the page's policy would refuse.
    """
    svg = segno.make_qr(link, error="m").svg_inline(border=4, light="#fff", omitsize=True)
    return mark_safe(svg)  # noqa: S308 - numbers alone; the link is drawn, not written
