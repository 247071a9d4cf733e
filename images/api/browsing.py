"""The filter panel and page links of the browsable pages that list photos or uploads."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.template.loader import render_to_string
from rest_framework.pagination import BasePagination

from bandpics.api.filters import Panel

if TYPE_CHECKING:
    from images.listing.pagination import Filled


class FilterPanel(Panel):
    """The panel of a view that narrows its list by its own `filters()`."""

    def get_filterset(self, request: Any, queryset: Any, view: Any) -> Any:
        return view.filters()


class Neighbours(BasePagination):
    """Links to the pages before and after; the view cuts the pages itself."""

    template = "rest_framework/pagination/previous_and_next.html"
    display_page_controls = False
    links: dict[str, str | None]

    @classmethod
    def show(cls, page: Filled[Any], *, on: Any) -> None:
        """Has the browsable page of this view link to the page's neighbours."""
        pages = on.paginator
        pages.links = {"next_url": page.next_url, "previous_url": page.previous_url}
        pages.display_page_controls = any(pages.links.values())

    def get_results(self, data: Any) -> Any:
        return data["results"]

    def to_html(self) -> str:
        return render_to_string(self.template, self.links)
