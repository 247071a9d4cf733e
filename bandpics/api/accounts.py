"""My own account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth import authenticate, update_session_auth_hash
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError as DjangoValidationError
from django.utils.functional import cached_property
from rest_framework import serializers
from rest_framework.exceptions import Throttled
from rest_framework.response import Response

from bandpics.api.authentication import MEMBER_AUTHENTICATION
from bandpics.api.base import ApiView
from bandpics.api.permissions import HasScope
from bandpics.api.problems import Forbidden, wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.users.access import Access
from bandpics.users.models import Scope, User
from bandpics.users.passwords import TooManyAttempts

if TYPE_CHECKING:
    from rest_framework.request import Request

PASSWORD_LENGTH = 1024


class UserSerializer(serializers.ModelSerializer[User]):
    class Meta:
        model = User
        fields = ["id", "email", "name", "created_at"]
        read_only_fields = fields


class AccountChangeSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    """Changes of an account. What is left out stays; another password needs `current_password`."""

    also_known = frozenset(UserSerializer.Meta.fields)
    name = serializers.CharField(max_length=120, allow_blank=True, required=False)
    password = serializers.CharField(
        max_length=PASSWORD_LENGTH, trim_whitespace=False, required=False, write_only=True
    )
    current_password = serializers.CharField(
        max_length=PASSWORD_LENGTH,
        trim_whitespace=False,
        required=False,
        write_only=True,
        help_text="Needed to change the password.",
    )

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if "password" in attrs and "current_password" not in attrs:
            raise wrong("current_password", "Say your present password, too.", "required")
        return attrs


class Me(ApiView):
    """My own account."""

    serializer_class = UserSerializer
    serializer_classes: ClassVar = {"PATCH": AccountChangeSerializer}
    authentication_classes = MEMBER_AUTHENTICATION
    permission_classes = [HasScope]
    write_scope = Scope.ADMIN

    @cached_property
    def access(self) -> Access:
        return Access.of(self.request)

    def get(self, request: Request) -> Response:
        """Tell who this credential belongs to."""
        return Response(UserSerializer(self.access.user).data)

    def patch(self, request: Request) -> Response:
        """Change my name or password. Another password ends all tokens and other sessions."""
        if self.access.group_ids is not None:
            raise Forbidden("An API key that is good for some groups does not change the account.")
        wanted, user = self.sent(), self.access.user
        fields = []
        if "name" in wanted:
            user.name = wanted["name"]
            fields.append("name")
        if "password" in wanted:
            _check_present_password(request, user, wanted["current_password"])
            check_password_is_good(wanted["password"], user=user)
            user.set_password(wanted["password"])
            fields.append("password")
        if fields:
            user.save(update_fields=fields)
        if "password" in wanted and request.auth is None:
            update_session_auth_hash(request, user)
        return Response(UserSerializer(user).data)


def check_password_is_good(password: str, *, user: User, field: str = "password") -> None:
    """Raises a ValidationError that names the field."""
    try:
        validate_password(password, user=user)
    except DjangoValidationError as error:
        errors = [
            serializers.ErrorDetail(" ".join(each.messages), code=each.code or "invalid")
            for each in error.error_list
        ]
        raise serializers.ValidationError({field: errors}) from None


def _check_present_password(request: Request, user: User, password: str) -> None:
    try:
        found = authenticate(request, username=user.email, password=password)
    except TooManyAttempts as error:
        raise Throttled(wait=error.seconds) from None
    if found != user:
        raise wrong("current_password", "This is not your present password.", "wrong")
