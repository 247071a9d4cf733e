"""Teams and who is in them. Admins make teams, owners decide about theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import transaction
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.response import Response

from bandpics.api.base import MemberViewSet
from bandpics.api.idempotency import idempotent
from bandpics.api.pagination import Pages
from bandpics.api.problems import Forbidden
from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.users.models import Scope
from groups import teams
from groups.api import problems as _problems  # noqa: F401 - registers them
from groups.api import serializers
from groups.models import Membership, Team, is_admin

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class OwnTeams(MemberViewSet):
    write_scope = Scope.ADMIN
    parameters: ClassVar = {"list": Pages.parameters}

    def visible(self) -> Any:
        return Team.objects.visible_to(self.access).with_role_of(self.access.user)

    def visible_team(self, team_id: UUID) -> Team:
        team: Team = get_object_or_404(self.visible(), pk=team_id)
        return team

    def managed_team(self, team_id: UUID) -> Team:
        """404 for strangers, 403 for those who only are in it."""
        team = self.visible_team(team_id)
        if not Team.objects.manageable_by(self.access).filter(pk=team.pk).exists():
            raise Forbidden("Only the owners of a team may do this.")
        return team


class TeamViewSet(OwnTeams):
    """Teams: the bands and circles of friends whose members share groups."""

    serializer_class = serializers.TeamSerializer
    queryset = Team.objects.none()  # for the browsable pages
    lookup_url_kwarg = "team_id"

    def list(self, request: Request) -> Response:
        """The teams I am in, by name; an admin sees all."""
        return self.paginated(self.visible().order_by("name", "pk"))

    @extend_schema(
        responses={201: serializers.TeamSerializer},
        examples=[OpenApiExample("A band", {"name": "The Band"}, request_only=True)],
    )
    @idempotent()
    def create(self, request: Request) -> Response:
        """Make a team and own it. For admins only."""
        if not is_admin(self.access, permission="groups.add_team"):
            raise Forbidden("Only an admin makes teams. Ask yours.")
        team = teams.start(name=self.sent()["name"], owner=self.access.user)
        team.role = Membership.Role.OWNER
        return Response(self.get_serializer(team).data, status=status.HTTP_201_CREATED)

    def retrieve(self, request: Request, team_id: UUID) -> Response:
        """A team I am in."""
        return Response(self.get_serializer(self.visible_team(team_id)).data)

    def partial_update(self, request: Request, team_id: UUID) -> Response:
        """Give it another name. For its owners."""
        team = self.managed_team(team_id)
        if changes := self.sent(team, partial=True):
            with transaction.atomic():
                Team.objects.filter(pk=team.pk).update(**changes)
                trail.record(Action.TEAM_RENAMED, team_id=team.pk)
        return self.retrieve(request, team_id)

    def destroy(self, request: Request, team_id: UUID) -> Response:
        """Remove a team without groups. For its owners."""
        teams.delete(self.managed_team(team_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MembershipViewSet(OwnTeams):
    """The members of a team and their roles."""

    serializer_class = serializers.MemberSerializer
    serializer_classes: ClassVar = {
        "create": serializers.NewMemberSerializer,
        "partial_update": serializers.RoleSerializer,
    }
    queryset = Membership.objects.none()
    lookup_url_kwarg, lookup_value_converter = "user_id", "int"

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "is_admin": is_admin(self.access)}

    def list(self, request: Request, team_id: UUID) -> Response:
        """Who is in the team, in the order they came."""
        rows = Membership.objects.filter(team=self.visible_team(team_id)).select_related("user")
        return self.paginated(rows.order_by("created_at", "pk"))

    @extend_schema(
        responses={
            200: OpenApiResponse(
                serializers.MemberSerializer, "They were in it already, as just that."
            ),
            201: serializers.MemberSerializer,
        },
        examples=[
            OpenApiExample(
                "By e-mail", {"email": "ben@example.org", "role": "member"}, request_only=True
            )
        ],
    )
    @idempotent()
    def create(self, request: Request, team_id: UUID) -> Response:
        """Take somebody in who has an account. For owners, by e-mail; an admin may say an id."""
        team, wanted = self.managed_team(team_id), self.sent()
        membership, is_new = teams.add(team, wanted["person"], role=wanted["role"])
        return Response(
            serializers.MemberSerializer(membership).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )

    def retrieve(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """One member."""
        membership = self._membership(self.visible_team(team_id), user_id)
        return Response(serializers.MemberSerializer(membership).data)

    def partial_update(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Change somebody's role. For owners; one of them always stays."""
        membership = self._membership(self.managed_team(team_id), user_id)
        teams.change_role(membership, role=self.sent()["role"])
        return self.retrieve(request, team_id, user_id)

    def destroy(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Take somebody out, for owners; or leave, for everybody but the last owner."""
        if user_id == self.access.user.pk and self.access.group_ids is None:
            team = self.visible_team(team_id)
        else:
            team = self.managed_team(team_id)
        teams.remove(self._membership(team, user_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @staticmethod
    def _membership(team: Team, user_id: int) -> Membership:
        rows = Membership.objects.filter(team=team).select_related("user")
        return get_object_or_404(rows, user_id=user_id)
