"""The files of npm packages that pages load, served below `vendor/`.

`package.json` pins the packages, `templates/_import_map.html` names their modules. Only the files
listed here become static files: packages bring several builds of the same code.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.staticfiles.finders import BaseFinder
from django.core.checks import CheckMessage, Error
from django.core.files.storage import FileSystemStorage

from bandpics.settings.framework import BASE_DIR

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

NODE_MODULES = BASE_DIR / "node_modules"
PREFIX = "vendor"
FILES = [
    "cropperjs/LICENSE",
    "cropperjs/dist/cropper.esm.min.js",
    "kdbush/LICENSE",
    "kdbush/index.js",
    "leaflet/LICENSE",
    "leaflet/dist/leaflet-src.esm.js",
    "leaflet/dist/leaflet.css",
    "leaflet/dist/images/layers.png",
    "leaflet/dist/images/layers-2x.png",
    "leaflet/dist/images/marker-icon.png",
    "photoswipe/LICENSE",
    "photoswipe/dist/photoswipe-lightbox.esm.min.js",
    "photoswipe/dist/photoswipe.css",
    "photoswipe/dist/photoswipe.esm.min.js",
    "supercluster/LICENSE",
    "supercluster/index.js",
    "uplot/LICENSE",
    "uplot/dist/uPlot.esm.js",
    "uplot/dist/uPlot.min.css",
]


class NodePackageFinder(BaseFinder):
    """Finds FILES in `node_modules` as static files."""

    def __init__(self) -> None:
        self.storage = FileSystemStorage(location=NODE_MODULES)
        self.storage.prefix = PREFIX  # type: ignore[attr-defined]  # read by collectstatic

    def check(self, **kwargs: Any) -> list[CheckMessage]:
        """Says what to do where a package is not installed."""
        missing = [name for name in FILES if not self.storage.exists(name)]
        if not missing:
            return []
        what = f"{len(missing)} files of npm packages are missing: node_modules/{missing[0]} …"
        hint = "Run `make setup`, or `npm ci --ignore-scripts` beside package.json."
        return [Error(what, hint=hint, id="bandpics.E001")]

    def find(self, path: str, find_all: bool = False, **kwargs: Any) -> Any:
        name = path.removeprefix(f"{PREFIX}/")
        found = [self.storage.path(name)] if name != path and name in FILES else []
        if find_all:
            return found
        return found[0] if found else None

    def list(self, ignore_patterns: Iterable[str] | None) -> Iterator[Any]:
        for name in FILES:
            yield name, self.storage
