from __future__ import annotations

from django.urls import path

from bandpics.api.base import Router
from groups.api import keys, views

router = Router()
router.register("teams", views.TeamViewSet, basename="team")
router.register("teams/<uuid:team_id>/members", views.MembershipViewSet, basename="member")
router.register("users/me/keys", keys.KeyViewSet, basename="key")

urlpatterns = [
    *router.urls,
    path(
        "users/<int:user_id>/credentials/rotate/",
        keys.KeyViewSet.as_view({"post": "rotate"}),
        name="rotate-key",
    ),
]
