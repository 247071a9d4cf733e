"""The audit trail as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar
from uuid import UUID

from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.exceptions import NotFound, ValidationError
from rest_framework.pagination import CursorPagination

from bandpics.api.base import MemberViewSet
from bandpics.api.filters import Panel
from bandpics.api.pagination import Pages
from bandpics.audit.models import Action, AuditEvent, Credential
from bandpics.users.models import Scope
from invitations import activity

if TYPE_CHECKING:
    from rest_framework.request import Request
    from rest_framework.response import Response


class NewestFirst(CursorPagination):
    """The trail only grows: a count of it would cost more than its page."""

    ordering = "-id"
    page_size = 50
    max_page_size = 200
    page_size_query_param = "limit"

    def get_page_size(self, request: Request) -> int:
        return Pages().get_limit(request)

    def decode_cursor(self, request: Request) -> Any:
        """Raises ValidationError for a cursor that this list has not made."""
        try:
            cursor = super().decode_cursor(request)
            if cursor is not None and (cursor.position is not None or not any(cursor)):
                UUID(str(cursor.position))
        except (NotFound, ValueError):
            wrong = "This is no cursor of this list. Take it from `next` or `previous`."
            raise ValidationError({"cursor": [wrong]}) from None
        return cursor


class AuditEventFilter(filters.FilterSet):
    action = filters.ChoiceFilter(choices=Action.choices)
    team = filters.UUIDFilter(field_name="team_id")
    group = filters.UUIDFilter(field_name="group_id")
    user = filters.NumberFilter(field_name="user_id", min_value=1, max_value=2**63 - 1)
    object = filters.UUIDFilter(field_name="object_ids", method="about")
    since = filters.IsoDateTimeFilter(field_name="at", lookup_expr="gte")
    until = filters.IsoDateTimeFilter(field_name="at", lookup_expr="lt")

    def about(self, rows: Any, name: str, value: Any) -> Any:
        return rows.filter(object_ids__contains=[value])


class AuditEventSerializer(serializers.Serializer[activity.Line]):
    id = serializers.UUIDField(source="event.id")
    at = serializers.DateTimeField(source="event.at")
    action = serializers.ChoiceField(source="event.action", choices=Action.choices)
    by = serializers.CharField(
        allow_blank=True,
        help_text="The name of the member or guest. Empty for the server itself, for somebody "
        "whose account or invitation is gone, and for an account that is not in the team.",
    )
    user = serializers.IntegerField(source="event.user_id", allow_null=True)
    invitation = serializers.UUIDField(source="event.invitation_id", allow_null=True)
    credential = serializers.ChoiceField(
        source="event.credential", choices=Credential.choices, help_text="What it was done by."
    )
    key_prefix = serializers.CharField(
        source="event.key_prefix", allow_blank=True, help_text="Of an API key."
    )
    address = serializers.CharField(
        source="event.address",
        allow_blank=True,
        help_text="IPv4 address, or the /64 network of an IPv6 address. Empty for the server.",
    )
    request_id = serializers.CharField(source="event.request_id", allow_blank=True)
    team = serializers.UUIDField(source="event.team_id", allow_null=True)
    group = serializers.UUIDField(source="event.group_id", allow_null=True)
    objects = serializers.ListField(
        source="event.object_ids",
        child=serializers.UUIDField(),
        help_text="Ids of photos, invitations, walls or ZIPs: at most 200; `details.count` has "
        "their number.",
    )
    details = serializers.DictField(source="event.details")


class AuditEventViewSet(MemberViewSet):
    """Who did what, when, by which credential and from where. Nobody can change or delete it."""

    serializer_class = AuditEventSerializer
    queryset = AuditEvent.objects.none()  # for the filter panel
    filter_backends = [Panel]
    filterset_class = AuditEventFilter
    pagination_class = NewestFirst
    read_scope = Scope.ADMIN
    parameters: ClassVar = {"list": [*AuditEventFilter.base_filters, "limit", "cursor"]}

    @extend_schema(operation_id="audit_events_list")
    def list(self, request: Request) -> Response:
        """The events of the teams I own and of my account, newest first; those who run the server
        see all. With the scope `admin`."""
        page = self.paginate_queryset(self.filter_queryset(activity.visible_to(self.access)))
        rows = activity.lines(page or [])
        return self.get_paginated_response(self.get_serializer(rows, many=True).data)
