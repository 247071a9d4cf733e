"""Static files under hashed names, so that browsers may keep them for ever; ours without the
comments, which are for readers of the source."""

from __future__ import annotations

from typing import TYPE_CHECKING

import rcssmin
import rjsmin
from django.core.files.base import ContentFile
from whitenoise.storage import CompressedManifestStaticFilesStorage

if TYPE_CHECKING:
    from django.core.files.base import File

# What packages bring is minified by them, or is not read on a phone.
OUR_FOLDERS = ("css/", "js/")


class ModuleStaticFilesStorage(CompressedManifestStaticFilesStorage):
    """Also rewrites `import … from "./x.js"` in our ES modules to the hashed names."""

    support_js_module_import_aggregation = True

    def _save(self, name: str, content: File[bytes]) -> str:
        # Twice for each file, as it comes and under its hash; the second changes nothing.
        if name.startswith(OUR_FOLDERS) and name.endswith((".css", ".js")):
            content.seek(0)
            minify = rjsmin.jsmin if name.endswith(".js") else rcssmin.cssmin
            content = ContentFile(minify(content.read().decode()).encode())
        return str(super()._save(name, content))
