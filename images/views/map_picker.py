"""What a page needs to show the map on which a place is chosen."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from csp.decorators import csp_update
from django.conf import settings

_MAP = urlsplit(settings.MAP_TILE_URL)
# Some maps use several hosts: {s} stands for the first letter of each.
_ORIGINS = [f"{_MAP.scheme}://{_MAP.netloc}".replace("{s}", "*")] if _MAP.netloc else []
# Decorates a view so that the content security policy of its page allows the map's pictures.
allow_tiles = csp_update({"img-src": _ORIGINS})


def context() -> dict[str, Any]:
    """Returns what templates/_map.html needs."""
    return {
        "map_tile_url": settings.MAP_TILE_URL,
        "map_attribution": settings.MAP_ATTRIBUTION,
        "map_host": _MAP.netloc.removeprefix("{s}."),
    }
