from __future__ import annotations

from django.urls import path

from groups.api import views as teams

urlpatterns = [
    path("teams/", teams.TeamList.as_view(), name="team-list"),
    path("teams/<uuid:team_id>/", teams.TeamDetail.as_view(), name="team-detail"),
    path("teams/<uuid:team_id>/members/", teams.MemberList.as_view(), name="member-list"),
    path(
        "teams/<uuid:team_id>/members/<int:user_id>/",
        teams.MemberDetail.as_view(),
        name="member-detail",
    ),
]
