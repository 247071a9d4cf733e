"""Upload links as QR codes."""

from __future__ import annotations

import io

import segno

KINDS = ("svg", "png")


def draw(link: str, *, kind: str) -> bytes:
    """Black on white whatever the theme, with the quiet zone that scanners ask for."""
    buffer = io.BytesIO()
    # error=m: survives a crease in a printed card. 8: about 400 pixels.
    segno.make_qr(link, error="m").save(buffer, kind=kind, scale=8, border=4, light="#fff")
    return buffer.getvalue()
