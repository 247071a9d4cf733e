"""The browsable API: the same answers as pages, with forms to send and links to follow."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from django.urls import NoReverseMatch, reverse
from django.utils.safestring import mark_safe
from rest_framework.renderers import BrowsableAPIRenderer
from rest_framework.request import clone_request

if TYPE_CHECKING:
    from collections.abc import Iterator

_ID = re.compile(r'(?<=")(\w+)": "([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})(?=")')
# Which kind of thing has its id, or stands, under a name of the JSON.
_RESOURCES = {
    **{name: name for name in ("group", "image", "team", "upload")},
    "duplicate_of": "image",
    "images": "image",
    "uploads": "upload",
}


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
