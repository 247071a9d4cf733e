"""Signing in for a while: a password for two tokens, one of them for fresh ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib.auth import authenticate
from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.exceptions import AuthenticationFailed, Throttled
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework_simplejwt.authentication import JWTAuthentication
from rest_framework_simplejwt.exceptions import TokenError
from rest_framework_simplejwt.tokens import RefreshToken

from bandpics.api import throttles
from bandpics.api.authentication import CHALLENGE, CredentialInvalid
from bandpics.api.base import ApiView
from bandpics.api.problems import wrong
from bandpics.api.unknown_names import KnownFieldsOnly
from bandpics.audit import trail
from bandpics.audit.models import Action
from bandpics.users.passwords import TooManyAttempts

if TYPE_CHECKING:
    from rest_framework.request import Request


class PasswordSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    email = serializers.CharField(max_length=254, required=False)
    username = serializers.CharField(
        max_length=254, required=False, help_text="The e-mail address, by another name."
    )
    password = serializers.CharField(max_length=1024, trim_whitespace=False, write_only=True)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        if not attrs.get("email") and not attrs.get("username"):
            raise wrong("email", "Say who you are.", "required")
        return attrs


class TokensSerializer(serializers.Serializer[Any]):
    access = serializers.CharField(help_text="Send it as `Authorization: Bearer …`; 15 minutes.")
    refresh = serializers.CharField(help_text="Gives another access token; 7 days.")


class RefreshSerializer(KnownFieldsOnly, serializers.Serializer[Any]):
    refresh = serializers.CharField(max_length=4096)


class AccessSerializer(serializers.Serializer[Any]):
    access = serializers.CharField()


class _SignInView(ApiView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get_authenticate_header(self, request: Request) -> str:
        return CHALLENGE


class SignIn(_SignInView):
    """Sign in for a while, with a password."""

    serializer_class = PasswordSerializer

    @extend_schema(
        responses=TokensSerializer,
        examples=[
            OpenApiExample(
                "By e-mail",
                {"email": "ada@example.org", "password": "a long enough password"},
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        """Two tokens for an e-mail address and its password."""
        said = self.sent()
        try:
            user = authenticate(
                request, username=said.get("email") or said["username"], password=said["password"]
            )
        except TooManyAttempts as error:
            raise Throttled(wait=error.seconds) from None
        if user is None:
            raise CredentialInvalid("The e-mail address or the password is wrong.")
        token = RefreshToken.for_user(user)
        trail.record(Action.SIGNED_IN, user_id=user.pk, details={"by": "token"})
        return Response({"access": str(token.access_token), "refresh": str(token)})


class Refresh(_SignInView):
    """Stay signed in."""

    serializer_class = RefreshSerializer

    @extend_schema(responses=AccessSerializer)
    def post(self, request: Request) -> Response:
        """Another access token, unless the password was changed or the person is gone."""
        refresh = self.sent()["refresh"]
        try:
            token = RefreshToken(refresh)
            JWTAuthentication().get_user(token)
        except (TokenError, AuthenticationFailed):
            throttles.guessed_wrong(request)
            raise CredentialInvalid(
                "This refresh token is malformed, expired or revoked; sign in again."
            ) from None
        return Response({"access": str(token.access_token)})
