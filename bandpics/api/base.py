"""Base classes of the API's views and the router."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from csp.decorators import csp_update
from django.utils.decorators import method_decorator
from django.utils.functional import cached_property
from rest_framework.generics import GenericAPIView
from rest_framework.routers import SimpleRouter
from rest_framework.viewsets import ViewSetMixin

from bandpics.api.authentication import MEMBER_AUTHENTICATION
from bandpics.api.pagination import Pages
from bandpics.api.parsers import FormParser, JsonParser
from bandpics.api.permissions import HasScope
from bandpics.api.unknown_names import KnownParametersOnly
from bandpics.users.access import Access
from bandpics.users.models import Scope

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from rest_framework.parsers import BaseParser
    from rest_framework.response import Response
    from rest_framework.serializers import BaseSerializer


class Router(SimpleRouter):
    """Makes addresses with Django's path converters."""

    def __init__(self) -> None:
        super().__init__(use_regex_path=False)


# The browsable pages carry style attributes, and no scripts.
@method_decorator(csp_update({"style-src": ["'unsafe-inline'"]}), name="dispatch")
class ApiView(KnownParametersOnly, GenericAPIView[Any]):
    """Reads JSON, and the forms of the browsable pages."""

    parser_classes: Sequence[type[BaseParser]] = [JsonParser, FormParser]
    read_scope = Scope.READ
    write_scope = Scope.UPLOAD
    # What is sent, where it differs from what is answered: by action, or by method.
    serializer_classes: ClassVar[Mapping[str, type[BaseSerializer[Any]]]] = {}

    def get_serializer_class(self) -> type[BaseSerializer[Any]]:
        return self.serializer_classes.get(self.name_of_call) or super().get_serializer_class()

    def sent(self, *instance: Any, **options: Any) -> dict[str, Any]:
        """Returns the validated body. Raises ValidationError."""
        body = self.get_serializer(*instance, data=self.request.data, **options)
        body.is_valid(raise_exception=True)
        return dict(body.validated_data)


class ApiViewSet(ViewSetMixin, ApiView):
    lookup_value_converter = "uuid"


class MemberViewSet(ApiViewSet):
    """Open to people with an account, whatever they sign in with. Lists come in short pages."""

    authentication_classes = MEMBER_AUTHENTICATION
    permission_classes = [HasScope]
    pagination_class: Any = Pages

    @cached_property
    def access(self) -> Access:
        return Access.of(self.request)

    def paginated(self, rows: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
