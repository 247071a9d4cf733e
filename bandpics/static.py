"""Stores static files under hashed names, which browsers cache for ever, and minifies them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import rcssmin
import rjsmin
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

if TYPE_CHECKING:
    import re
    from collections.abc import Callable

    from django.core.files.base import File

# What phones load. Other files of Python packages are minified already, or only members see them.
MINIFIED = ("css/", "js/", "vendor/")


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites `import … from "./x.js"` in ES modules to the hashed names."""

    support_js_module_import_aggregation = True

    def url_converter(self, *args: Any, **kwargs: Any) -> Callable[[re.Match[str]], str]:
        """Leaves alone what Django takes for a file that must be there.

        These are `import("leaflet")`, which an import map explains, and source maps, whose
        comments are removed below.
        """
        convert: Callable[[re.Match[str]], str] = super().url_converter(*args, **kwargs)

        def convert_paths(match: re.Match[str]) -> str:
            is_bare = match["matched"].startswith("import(") and match["url"][0] not in "./"
            is_source_map = "sourceMappingURL" in match["matched"]
            return match[0] if is_bare or is_source_map else convert(match)

        return convert_paths

    def _save(self, name: str, content: File[bytes]) -> str:
        # Called twice for each file, with and without a hash; minifying again changes nothing.
        if name.startswith(MINIFIED) and name.endswith((".css", ".js")):
            content.seek(0)
            minify = rjsmin.jsmin if name.endswith(".js") else rcssmin.cssmin
            content = ContentFile(minify(content.read().decode()).encode())
        return str(super()._save(name, content))
