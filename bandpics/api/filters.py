"""The filter panel of the browsable pages."""

from __future__ import annotations

from typing import Any

from django.template import loader
from django_filters.rest_framework import DjangoFilterBackend


class Panel(DjangoFilterBackend):
    """Names each field as the parameter it is."""

    def to_html(self, request: Any, queryset: Any, view: Any) -> Any:
        filterset = self.get_filterset(request, queryset, view)
        for name, field in filterset.form.fields.items():
            field.label = name
        return loader.render_to_string(self.template, {"filter": filterset}, request)
