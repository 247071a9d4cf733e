"""Stores static files under hashed names, which browsers cache for ever, and minifies ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rcssmin
import rjsmin
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

if TYPE_CHECKING:
    from django.core.files.base import File


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites `import … from "./x.js"` in ES modules to the hashed names."""

    support_js_module_import_aggregation = True

    def _save(self, name: str, content: File[bytes]) -> str:
        # Called twice for each file, with and without a hash; minifying again changes nothing.
        # Files of packages are minified already, or no phone loads them.
        if name.startswith(("css/", "js/")) and name.endswith((".css", ".js")):
            content.seek(0)
            minify = rjsmin.jsmin if name.endswith(".js") else rcssmin.cssmin
            content = ContentFile(minify(content.read().decode()).encode())
        return str(super()._save(name, content))
