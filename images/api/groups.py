"""The endpoint of groups. It is not in `groups/api/`, because a group shows its photos and can be
created with its first ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.db import IntegrityError
from django.http import Http404
from django.shortcuts import get_object_or_404
from django.utils.functional import cached_property
from django_filters import rest_framework as filters
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response
from rest_framework.reverse import reverse
from rest_framework.serializers import Serializer

from bandpics.api import etags
from bandpics.api.base import MemberViewSet
from bandpics.api.filters import Panel
from bandpics.api.idempotency import idempotent
from bandpics.api.pagination import Pages
from bandpics.api.parsers import JsonParser
from bandpics.api.problems import Conflict, Forbidden, Unavailable
from bandpics.middleware import body_limit
from bandpics.users.models import Scope
from groups import editing, trash
from groups.models import Group, Team, is_admin
from images.access import MemberAccess
from images.api import group_serializers
from images.api.announcement_serializers import AnnouncementSerializer
from images.api.upload_serializers import ticket_json
from images.models import Upload
from images.storage.objects import StorageUnavailable
from images.uploads import group_with_photos
from images.uploads.announce import Ticket

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from django.http import HttpRequest
    from rest_framework.request import Request

    from groups.models import GroupQuerySet

FIRST_PAGE = 50


class GroupFilter(filters.FilterSet):
    team = filters.UUIDFilter(field_name="team_id")
    trashed = filters.ChoiceFilter(
        choices=[("true", "true"), ("false", "false")],
        method="in_trash",
        label="true: the trash of the teams you own, and nothing else.",
    )

    def in_trash(self, rows: GroupQuerySet, _name: str, _wanted: str) -> GroupQuerySet:
        return rows  # GroupViewSet.list starts from it


def _ids(answer: dict[str, Any]) -> dict[str, Any]:
    return {"id": answer["id"], "uploads": [each["id"] for each in answer.get("uploads", [])]}


def _signed_again(view: Any, _: Request, ids: dict[str, Any]) -> dict[str, Any]:
    rows = Upload.objects.in_bulk(ids["uploads"], field_name="pk")
    found = {str(pk): upload for pk, upload in rows.items()}
    kept = [found[each] for each in ids["uploads"] if each in found]
    answer: dict[str, Any] = view.made(ids["id"], kept)
    return answer


class GroupViewSet(MemberViewSet):
    """Groups: the albums of events."""

    write_scope = Scope.ADMIN
    serializer_class = group_serializers.GroupSerializer
    serializer_classes: ClassVar = {
        "create": group_serializers.NewGroupFormSerializer,
        "restore": Serializer,
    }
    queryset = Group.objects.none()  # for the documentation
    filter_backends = [Panel]
    filterset_class = GroupFilter
    lookup_url_kwarg = "group_id"
    parameters: ClassVar = {"list": [*GroupFilter.base_filters, *Pages.parameters]}

    @staticmethod
    def max_body_bytes(request: HttpRequest) -> int:
        """Returns the limit of the body; a form may bring the group's first photos."""
        match = request.resolver_match
        takes_photos = match is not None and match.url_name == "group-list"
        if takes_photos and body_limit.is_form(request):
            return body_limit.form_max_bytes(request)
        return JsonParser.max_bytes

    @cached_property
    def access(self) -> MemberAccess:
        return MemberAccess.of(self.request)

    def visible(self) -> GroupQuerySet:
        rows = Group.objects.visible_to(self.access).select_related("licence")
        return rows.with_role_of(self.access.user)

    def restorable(self) -> GroupQuerySet:
        """The trash of the teams this person owns."""
        rows = Group.objects.trash_owned_by(self.access).select_related("licence")
        return rows.with_role_of(self.access.user)

    def visible_group(self, group_id: UUID) -> Group:
        group: Group = get_object_or_404(self.visible(), pk=group_id)
        return group

    def owned_group(self, group_id: UUID) -> Group:
        """404 for strangers, 403 for those who only see it."""
        group = self.visible_group(group_id)
        if not Group.objects.owned_by(self.access).filter(pk=group.pk).exists():
            raise Forbidden("Only owners of the team change its groups.")
        return group

    def handle_exception(self, exc: Exception) -> Response:
        if isinstance(exc, StorageUnavailable):
            exc = Unavailable("The photo store does not answer. Nothing was made; try again soon.")
        return super().handle_exception(exc)

    def list(self, request: Request) -> Response:
        """Groups of my teams, the latest event first."""
        rows = self.visible()
        if request.query_params.get("trashed") == "true":
            rows = self.restorable()
        return self.paginated(rows.order_by("-event_date", "-created_at", "-pk"))

    @extend_schema(
        request={
            "application/json": group_serializers.NewGroupSerializer,
            "multipart/form-data": group_serializers.NewGroupFormSerializer,
        },
        responses={201: group_serializers.CreatedGroupSerializer},
        examples=[
            OpenApiExample(
                "With a first photo to send",
                {
                    "name": "Summer concert",
                    "event_name": "Summer concert",
                    "event_date": "2026-06-21",
                    "venue": "The old bandstand",
                    "latitude": 48.2082,
                    "longitude": 16.3738,
                    "visibility": "gallery",
                    "files": [
                        {"filename": "stage.jpg", "content_type": "image/jpeg", "size": 245760}
                    ],
                },
                request_only=True,
                media_type="application/json",
            )
        ],
    )
    @idempotent(remember=_ids, again=_signed_again)
    def create(self, request: Request) -> Response:
        """Make a group in a team of mine, with its first photos if there are any: all or nothing.

        JSON announces `files`, and `uploads` says how to send each; a form carries them.
        """
        context = self.get_serializer_context()
        body = group_serializers.GroupWithoutFilesSerializer(data=request.data, context=context)
        body.is_valid(raise_exception=True)
        about = dict(body.validated_data)
        team = self._team(about.pop("team_id", None))
        is_form = bool(request.FILES)
        announcement = self._announcement(request, is_form=is_form)
        if is_form:
            pairs = list(zip(request.FILES.getlist("files"), announcement, strict=True))
            group, stored = group_with_photos.create_received(team, self.access, about, pairs)
        else:
            group, tickets = group_with_photos.create_announced(
                team, self.access, about, announcement
            )
            stored = [ticket.upload for ticket in tickets]
        address = reverse("group-detail", [group.pk], request=request)
        return Response(
            self.made(group.pk, stored),
            status=status.HTTP_201_CREATED,
            headers={"Location": address, **etags.headers(group)},
        )

    def made(self, group_id: UUID, uploads: Sequence[Upload]) -> dict[str, Any]:
        answer = dict(self._json(self.visible_group(group_id)))
        return answer | {"uploads": [ticket_json(Ticket(upload)) for upload in uploads]}

    def _team(self, team_id: UUID | None) -> Team:
        """The one that was named, or else the only one there is to choose."""
        fillable = Team.objects.writable_by(self.access)
        if team_id is not None:
            team = get_object_or_404(Team.objects.visible_to(self.access), pk=team_id)
            if not fillable.filter(pk=team.pk).exists():
                raise Forbidden("Only owners and members of a team make groups in it.")
            return team
        mine = list(fillable[:2])
        if not mine:
            if is_admin(self.access, permission="groups.add_team"):
                raise Forbidden("You are in no team. Make one first: POST /api/v1/teams/.")
            raise Forbidden("You may make groups in no team. Ask an admin for one.")
        if len(mine) > 1:
            raise ValidationError({"team": ["You are in several teams. Say which."]})
        return mine[0]

    def _announcement(self, request: Request, *, is_form: bool) -> Any:
        if is_form:
            described: Any = [
                {"filename": file.name, "content_type": file.content_type or "", "size": file.size}
                for file in request.FILES.getlist("files")
            ]
        else:
            body: Any = request.data
            described = body.get("files")
        if not is_form and described in (None, []):
            return []
        if Scope.UPLOAD not in self.access.scopes:
            raise Forbidden("This API key was not given the scope that this needs: upload.")
        files = AnnouncementSerializer(data={"files": described})
        files.is_valid(raise_exception=True)
        return files.announced()

    @extend_schema(responses=group_serializers.GroupDetailSerializer)
    def retrieve(self, request: Request, group_id: UUID) -> Response:
        """A group, with its newest photos."""
        group = self.visible_group(group_id)
        images = self.access.visible_images().filter(group=group).select_related("licence")
        images = images.with_variants().defer("exif")
        context = {
            **self.get_serializer_context(),
            "access": self.access,
            "images": images.newest_first()[:FIRST_PAGE],
        }
        data = group_serializers.GroupDetailSerializer(group, context=context).data
        return Response(data, headers=etags.headers(group))

    @extend_schema(parameters=[etags.IF_MATCH])
    def partial_update(self, request: Request, group_id: UUID) -> Response:
        """Change what it says and what guests may do. For owners."""
        group = self.owned_group(group_id)
        changes = self.sent(group, partial=True)
        changes.pop("team_id", None)
        expected = etags.expected(request, group)
        try:
            editing.change(group, changes, expected=expected)
        except editing.ChangedMeanwhile:
            raise (etags.PreconditionFailed if expected else Http404) from None
        except IntegrityError:
            raise Conflict(
                "Somebody changed the place at the same moment. Read it again."
            ) from None
        return self.shown(group_id)

    @extend_schema(parameters=[etags.IF_MATCH])
    def destroy(self, request: Request, group_id: UUID) -> Response:
        """Into the trash, with all its photos and links. For owners; safe to repeat.

        Its links stop at once, and nobody sees it. For some weeks it can be restored as it was.
        """
        if self.restorable().filter(pk=group_id).exists():
            return Response(status=status.HTTP_204_NO_CONTENT)
        group = self.owned_group(group_id)
        expected = etags.expected(request, group)
        if not trash.put(group, expected=expected) and expected:
            raise etags.PreconditionFailed
        return Response(status=status.HTTP_204_NO_CONTENT)

    @action(detail=True, methods=["post"])
    def restore(self, request: Request, group_id: UUID) -> Response:
        """Out of the trash, with its photos and links as they were. For owners; safe to repeat."""
        group = self.restorable().filter(pk=group_id).first()
        if group is None:
            group = self.owned_group(group_id)  # restored already
        elif not trash.restore(group) and self.restorable().filter(pk=group_id).exists():
            raise Http404  # its time is over
        return self.shown(group_id)

    def shown(self, group_id: UUID) -> Response:
        group = self.visible_group(group_id)
        return Response(self._json(group), headers=etags.headers(group))

    def _json(self, group: Group) -> dict[str, Any]:
        context = self.get_serializer_context()
        return group_serializers.GroupSerializer(group, context=context).data
