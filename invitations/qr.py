"""Draws upload links as QR codes."""

from __future__ import annotations

import io

import segno

KINDS = ("svg", "png")


def draw(link: str, *, kind: str) -> bytes:
    """Draws black on white in any theme, with the quiet zone that scanners need."""
    buffer = io.BytesIO()
    # error=m survives a crease in a printed card; scale=8 makes about 400 pixels.
    segno.make_qr(link, error="m").save(buffer, kind=kind, scale=8, border=4, light="#fff")
    return buffer.getvalue()
