"""Views that only tests have: one that creates, one that breaks, one that shows a secret."""

from __future__ import annotations

import threading
from pathlib import Path

from django.db import OperationalError
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import MultiPartParser
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView

from bandpics.api.base import MemberViewSet
from bandpics.api.idempotency import idempotent

CALLS: list[dict] = []
STARTED, MAY_END = threading.Event(), threading.Event()


class Things(MemberViewSet):
    @idempotent()
    def create(self, request):
        if request.data.get("wait"):
            STARTED.set()
            MAY_END.wait(10)
        if request.data.get("refuse"):
            raise serializers.ValidationError({"refuse": ["No."]})
        if request.data.get("break"):
            raise ZeroDivisionError("a detail that is nobody's business")
        CALLS.append(request.data)
        headers = {"Location": f"/things/{len(CALLS)}/"}
        return Response({"number": len(CALLS), "said": request.data}, status=201, headers=headers)


class Secrets(MemberViewSet):
    @idempotent(
        remember=lambda data: {"id": data["id"]},
        again=lambda view, request, known: {**known, "api_key": "made anew"},
    )
    def create(self, request):
        CALLS.append(request.data)
        return Response({"id": len(CALLS), "api_key": "secret"}, status=201)


class Careless(MemberViewSet):
    @idempotent()
    def create(self, request):
        return Response({"url": "https://s3/x?X-Amz-Signature=abc"}, status=201)


class Files(MemberViewSet):
    parser_classes = [MultiPartParser]

    @idempotent()
    def create(self, request):
        CALLS.append({})
        return Response({"read": request.data["file"].read().decode()}, status=202)


class Broken(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request):
        raise ZeroDivisionError("a detail that is nobody's business")

    def post(self, request):
        return Response(request.data)


class WithoutDatabase(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request):
        raise OperationalError("server closed the connection unexpectedly, password=x")


class WithoutRoom(APIView):
    authentication_classes = []
    permission_classes = [AllowAny]

    def get(self, request):
        _fill()


def page_without_room(request):
    _fill()


def _fill():
    """Always full, on every Linux."""
    with Path("/dev/full").open("wb", buffering=0) as disk:
        disk.write(b"x")


urlpatterns = [
    path("api/v1/things/", Things.as_view({"post": "create"})),
    path("api/v1/secrets/", Secrets.as_view({"post": "create"})),
    path("api/v1/careless/", Careless.as_view({"post": "create"})),
    path("api/v1/files/", Files.as_view({"post": "create"})),
    path("api/v1/broken/", Broken.as_view()),
    path("api/v1/without-database/", WithoutDatabase.as_view()),
    path("api/v1/without-room/", WithoutRoom.as_view()),
    path("without-room/", page_without_room),
]

handler500 = "bandpics.error_handlers.server_error"
