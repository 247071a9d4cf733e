"""What the doors for members have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from rest_framework.generics import GenericAPIView

from bandpics.api.authentication import MEMBER_AUTHENTICATION
from bandpics.api.pagination import Pages
from bandpics.api.permissions import HasScope
from bandpics.api.unknown_names import KnownParametersOnly
from bandpics.users.callers import Caller, caller_of

if TYPE_CHECKING:
    from rest_framework.response import Response


class MemberView(KnownParametersOnly, GenericAPIView[Any]):
    """Open to people with an account, whatever they sign in with. Lists come in short pages."""

    authentication_classes = MEMBER_AUTHENTICATION
    permission_classes = [HasScope]
    pagination_class = Pages

    @property
    def caller(self) -> Caller:
        return caller_of(self.request)

    def paginated(self, rows: Any) -> Response:
        page = self.paginate_queryset(self.filter_queryset(rows))
        return self.get_paginated_response(self.get_serializer(page, many=True).data)
