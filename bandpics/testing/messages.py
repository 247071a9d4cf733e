"""Updates the catalogues of `bandpics/locale` from the sources, by Babel instead of GNU gettext."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_python
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po
from django.conf import settings
from django.utils.translation.template import templatize

from bandpics.local import environment

if TYPE_CHECKING:
    from collections.abc import Iterator

SOURCES = ("bandpics", "groups", "images", "invitations")
# Django's functions: with `p` the first argument is the context, with `n` there are two texts.
FUNCTIONS = ["_", "counted", "gettext_noop"] + [
    f"{kind}gettext{when}" for kind in ("", "n", "p", "np") for when in ("", "_lazy")
]


def main() -> int:
    """Updates all catalogues; returns 1 if a translation is missing."""
    os.environ.update({**environment.PRETENDED, "DJANGO_SETTINGS_MODULE": "bandpics.settings"})
    is_incomplete = False
    found = extracted()
    for language in languages():
        catalog = updated(language, found)
        po_path(language).parent.mkdir(parents=True, exist_ok=True)
        po_path(language).write_bytes(po(catalog))
        mo_path(language).write_bytes(mo(catalog))
        for message in catalog:
            texts = message.string if isinstance(message.string, tuple) else (message.string,)
            if not all(texts):
                is_incomplete = True
                sys.stderr.write(f"{language}: not translated: {message.id!r}\n")
    return int(is_incomplete)


def languages() -> list[str]:
    """Returns all languages but that of the sources."""
    return [code for code, _ in settings.LANGUAGES if code != settings.LANGUAGE_CODE]


def extracted() -> Catalog:
    """Returns every text that the sources mark for translation."""
    catalog = Catalog(charset="utf-8")
    for path, source in _sources():
        # Its type hints are wrong.
        extract: Any = extract_python
        calls = extract(io.BytesIO(source.encode()), FUNCTIONS, ["Translators:"], {})
        for line, function, found, comments in calls:
            texts = list(found) if isinstance(found, tuple) else [found]
            kind = "n" if function == "counted" else function.partition("gettext")[0]
            context = texts.pop(0) if "p" in kind else None
            words = texts[: 2 if "n" in kind else 1]
            if not all(words):
                continue  # not a literal
            catalog.add(
                tuple(words) if "n" in kind else words[0],
                locations=[(path.relative_to(settings.BASE_DIR).as_posix(), line)],
                auto_comments=comments,
                context=context,
            )
    return catalog


def _sources() -> Iterator[tuple[Path, str]]:
    for path in sorted((settings.BASE_DIR / "templates").rglob("*.*")):
        source = templatize(path.read_text(), origin=str(path))
        # Without the indentation of HTML, which Python would not accept.
        yield path, "\n".join(line.lstrip() for line in source.split("\n"))
    for app in SOURCES:
        for path in sorted((settings.BASE_DIR / app).rglob("*.py")):
            if not {"tests", "migrations"} & set(path.parts):
                yield path, path.read_text()


class LeanCatalog(Catalog):
    """A catalogue without the header's dates and names, which git knows."""

    @property
    def mime_headers(self) -> list[tuple[str, str]]:
        return [
            ("Language", str(self.locale_identifier)),
            ("Plural-Forms", self.plural_forms),
            ("Content-Type", "text/plain; charset=utf-8"),
            ("Content-Transfer-Encoding", "8bit"),
        ]


def read(language: str) -> Catalog:
    path = po_path(language)
    if not path.exists():
        return Catalog(locale=language)
    with path.open("rb") as file:
        return read_po(file, locale=language)


def updated(language: str, found: Catalog) -> Catalog:
    """Returns the catalogue with the texts of the sources and the translations known so far."""
    catalog = LeanCatalog(locale=language, fuzzy=False, header_comment="")
    known = read(language)
    for message in found:
        if not message.id:
            continue
        words = message.id if isinstance(message.id, str) else message.id[0]
        before = known.get(words, message.context)
        catalog.add(
            message.id,
            string=before.string if before is not None and before.id == message.id else None,
            locations=message.locations,
            auto_comments=message.auto_comments,
            context=message.context,
        )
    return catalog


def po(catalog: Catalog) -> bytes:
    file = io.BytesIO()
    write_po(file, catalog, width=98, include_lineno=False)
    return file.getvalue()


def mo(catalog: Catalog) -> bytes:
    """Returns the same bytes for the same catalogue."""
    file = io.BytesIO()
    write_mo(file, catalog)
    return file.getvalue()


def po_path(language: str) -> Path:
    return Path(settings.LOCALE_PATHS[0]) / language / "LC_MESSAGES" / "django.po"


def mo_path(language: str) -> Path:
    return po_path(language).with_suffix(".mo")


if __name__ == "__main__":
    sys.exit(main())
