"""Teams and who is in them. Admins make teams, owners decide about theirs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiExample, OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.response import Response

from bandpics.api.base import MemberView
from bandpics.api.idempotency import idempotent
from bandpics.api.pagination import Pages
from bandpics.api.problems import Forbidden
from bandpics.users.models import Scope
from groups import teams
from groups.api import problems as _problems  # noqa: F401 - registers them
from groups.api import serializers
from groups.models import Membership, Team, is_admin

if TYPE_CHECKING:
    from uuid import UUID

    from rest_framework.request import Request


class TeamView(MemberView):
    write_scope = Scope.ADMIN
    serializer_class: Any = serializers.TeamSerializer
    queryset: Any = Team.objects.none()  # for the browsable pages

    def visible(self) -> Any:
        return Team.objects.visible_to(self.caller).with_role_of(self.caller.user)

    def visible_team(self, team_id: UUID) -> Team:
        team: Team = get_object_or_404(self.visible(), pk=team_id)
        return team

    def managed_team(self, team_id: UUID) -> Team:
        """404 for strangers, 403 for those who only are in it."""
        team = self.visible_team(team_id)
        if not Team.objects.manageable_by(self.caller).filter(pk=team.pk).exists():
            raise Forbidden("Only the owners of a team may do this.")
        return team


class TeamList(TeamView):
    parameters: ClassVar = {"GET": Pages.parameters}

    @extend_schema(responses=serializers.TeamSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The teams I am in, by name; an admin sees all."""
        return self.paginated(self.visible().order_by("name", "pk"))

    @extend_schema(
        responses={201: serializers.TeamSerializer},
        examples=[OpenApiExample("A band", {"name": "The Band"}, request_only=True)],
    )
    @idempotent()
    def post(self, request: Request) -> Response:
        """Make a team and own it. For admins only."""
        if not is_admin(self.caller, permission="groups.add_team"):
            raise Forbidden("Only an admin makes teams. Ask yours.")
        body = self.get_serializer(data=request.data)
        body.is_valid(raise_exception=True)
        team = teams.start(name=body.validated_data["name"], owner=self.caller.user)
        team.role = Membership.Role.OWNER
        return Response(self.get_serializer(team).data, status=status.HTTP_201_CREATED)


class TeamDetail(TeamView):
    def get(self, request: Request, team_id: UUID) -> Response:
        """A team I am in."""
        return Response(self.get_serializer(self.visible_team(team_id)).data)

    def patch(self, request: Request, team_id: UUID) -> Response:
        """Give it another name. For its owners."""
        team = self.managed_team(team_id)
        body = self.get_serializer(team, data=request.data, partial=True)
        body.is_valid(raise_exception=True)
        if body.validated_data:
            Team.objects.filter(pk=team.pk).update(**body.validated_data)
        return Response(self.get_serializer(self.visible_team(team_id)).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, team_id: UUID) -> Response:
        """Remove a team without groups. For its owners."""
        teams.delete(self.managed_team(team_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class MemberList(TeamView):
    parameters: ClassVar = {"GET": Pages.parameters}
    serializer_class = serializers.MemberSerializer
    queryset = Membership.objects.none()

    @extend_schema(responses=serializers.MemberSerializer(many=True))
    def get(self, request: Request, team_id: UUID) -> Response:
        """Who is in the team, in the order they came."""
        rows = Membership.objects.filter(team=self.visible_team(team_id)).select_related("user")
        return self.paginated(rows.order_by("created_at", "pk"))

    @extend_schema(
        request=serializers.NewMemberSerializer,
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
    def post(self, request: Request, team_id: UUID) -> Response:
        """Take somebody in who has an account. For owners, by e-mail; an admin may say an id."""
        team = self.managed_team(team_id)
        body = serializers.NewMemberSerializer(
            data=request.data, context={"is_admin": is_admin(self.caller)}
        )
        body.is_valid(raise_exception=True)
        membership, is_new = teams.add(
            team, body.validated_data["person"], role=body.validated_data["role"]
        )
        return Response(
            self.get_serializer(membership).data,
            status=status.HTTP_201_CREATED if is_new else status.HTTP_200_OK,
        )


class MemberDetail(TeamView):
    serializer_class = serializers.MemberSerializer

    def get(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """One member."""
        membership = self._membership(self.visible_team(team_id), user_id)
        return Response(self.get_serializer(membership).data)

    @extend_schema(request=serializers.RoleSerializer)
    def patch(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Change somebody's role. For owners; one of them always stays."""
        membership = self._membership(self.managed_team(team_id), user_id)
        body = serializers.RoleSerializer(data=request.data)
        body.is_valid(raise_exception=True)
        teams.change_role(membership, role=body.validated_data["role"])
        membership = self._membership(membership.team, user_id)
        return Response(self.get_serializer(membership).data)

    @extend_schema(responses={204: None})
    def delete(self, request: Request, team_id: UUID, user_id: int) -> Response:
        """Take somebody out, for owners; or leave, for everybody but the last owner."""
        if user_id == self.caller.user.pk and self.caller.group_ids is None:
            team = self.visible_team(team_id)
        else:
            team = self.managed_team(team_id)
        teams.remove(self._membership(team, user_id))
        return Response(status=status.HTTP_204_NO_CONTENT)

    @staticmethod
    def _membership(team: Team, user_id: int) -> Membership:
        rows = Membership.objects.filter(team=team).select_related("user")
        return get_object_or_404(rows, user_id=user_id)
