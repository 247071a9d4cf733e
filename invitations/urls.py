from __future__ import annotations

from django.urls import path

from invitations.views import activity, join, members, team

urlpatterns = [
    path("teams/", team.teams_page, name="teams"),
    path("teams/join/<str:token>/", join.join_team, name="join-team"),
    path("teams/<uuid:team_id>/", team.team_page, name="team"),
    path("teams/<uuid:team_id>/activity/", activity.team_activity, name="team-activity"),
    path("teams/<uuid:team_id>/name/", team.rename, name="rename-team"),
    path("teams/<uuid:team_id>/open/", team.open_to_others, name="open-team"),
    path("teams/<uuid:team_id>/delete/", team.delete, name="delete-team"),
    path("teams/<uuid:team_id>/leave/", members.leave, name="leave-team"),
    path("teams/<uuid:team_id>/hand-over/", members.hand_over, name="hand-over-team"),
    path("teams/<uuid:team_id>/people/<int:user_id>/", members.change, name="change-member"),
    path("teams/<uuid:team_id>/invitations/", members.invite, name="invite-to-team"),
    path(
        "teams/<uuid:team_id>/invitations/<uuid:invitation_id>/",
        members.change_invitation,
        name="change-team-invitation",
    ),
]
