"""JSON, and the browsable API: the same answers as pages, with forms and links to follow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import orjson
from django.urls import NoReverseMatch, reverse
from django.utils.safestring import mark_safe
from rest_framework.renderers import BrowsableAPIRenderer, JSONRenderer
from rest_framework.request import clone_request

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_ID = re.compile(r'(?<=")(\w+)": "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=")')
# Which kind of thing has its id, or stands, under a name of the JSON.
_RESOURCES = {
    **{name: name for name in ("group", "image", "team", "upload")},
    "duplicate_of": "image",
    "images": "image",
    "uploads": "upload",
}


# What differs from DRF's JSON is left to DRF's encoder.
_OPTIONS = orjson.OPT_PASSTHROUGH_DATETIME | orjson.OPT_PASSTHROUGH_DATACLASS
# JavaScript of before 2019 takes these for ends of lines; DRF writes them as escapes, too.
_LINE_ENDS = (("\u2028".encode(), b"\\u2028"), ("\u2029".encode(), b"\\u2029"))
_FIRST_BYTE = "\u2028".encode()[:1]  # and of the other


class JsonRenderer(JSONRenderer):
    """Writes the JSON of Django REST framework's renderer, in a tenth of its time.

    Numbers may be spelt in another way: 1e16 for 1e+16; and NaN is null, not an error.
    """

    def render(
        self,
        data: Any,
        accepted_media_type: str | None = None,
        renderer_context: Mapping[str, Any] | None = None,
    ) -> Any:
        if data is None or self.get_indent(accepted_media_type or "", dict(renderer_context or {})):
            return super().render(data, accepted_media_type, renderer_context)
        try:
            written = orjson.dumps(data, self._encoder.default, _OPTIONS)
        except TypeError:  # keys that are no texts, integers of over 64 bits, lone surrogates
            return super().render(data, accepted_media_type, renderer_context)
        # To look for both takes longer than to write all of it.
        if _FIRST_BYTE in written:
            for end, escape in _LINE_ENDS:
                written = written.replace(end, escape)
        return written

    _encoder = JSONRenderer.encoder_class()


class BrowsableRenderer(BrowsableAPIRenderer):
    """Django REST framework's pages have a form for PUT; ours have one for PATCH. Ids are links."""

    def get_context(self, data: Any, accepted_media_type: str | None, renderer_context: Any) -> Any:
        context = super().get_context(data, accepted_media_type, renderer_context)
        view, request = renderer_context["view"], renderer_context["request"]
        return context | {
            "patch_form": self.get_rendered_html_form(data, view, "PATCH", request),
            "raw_patch_form": context["raw_data_patch_form"],
            "raw_data_patch_form": None,  # else the page of the framework shows it, apart from ours
        }

    def get_rendered_html_form(self, data: Any, view: Any, method: str, request: Any) -> Any:
        """Shows again what was sent if it was refused; else a form for what can be sent next."""
        if hasattr(getattr(data, "serializer", None), "initial_data"):
            return super().get_rendered_html_form(data, view, method, request)
        try:
            as_if_read = clone_request(request, "GET")
            return super().get_rendered_html_form(data, view, method, as_if_read)
        finally:
            view.request = request

    def get_content(
        self, renderer: Any, data: Any, accepted_media_type: str | None, renderer_context: Any
    ) -> str:
        content = super().get_content(renderer, data, accepted_media_type, renderer_context)
        resource = getattr(renderer_context["view"], "basename", None)
        addresses = dict(_addresses(data, resource))

        def link(found: re.Match[str]) -> str:
            address = addresses.get((found[1], found[2]))
            shown = found[2] if address is None else f'<a href="{address}">{found[2]}</a>'
            return f'{found[1]}": "{shown}'

        # Not the quotes: they tell `urlize` where an address ends.
        text = content.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
        return mark_safe(_ID.sub(link, text))  # noqa: S308 - escaped the line above


def _addresses(data: Any, resource: str | None) -> Iterator[tuple[tuple[str, str], str]]:
    """The address of what each id of an answer names, by the id's name and the id."""
    if isinstance(data, list):
        for each in data:
            yield from _addresses(each, resource)
    if not isinstance(data, dict):
        return
    for name, value in data.items():
        named = resource if name == "id" else _RESOURCES.get(name)
        if isinstance(value, dict | list):
            yield from _addresses(value, named or resource)
        elif value and named:
            try:
                yield (name, str(value)), reverse(f"{named}-detail", args=[value])
            except NoReverseMatch:
                continue  # no page for it, or no id
