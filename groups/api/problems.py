"""The problems of teams."""

from __future__ import annotations

from bandpics.api import problems
from bandpics.api.problems import Conflict
from groups import teams


class LastOwner(Conflict):
    slug = "last-owner"
    title = "A team needs an owner"
    default_detail = "Nobody else owns this team. Make somebody else an owner first."


problems.answer(
    {
        teams.LastOwner: lambda _: LastOwner(),
        teams.OtherRole: lambda _: Conflict(
            "They are in the team already; PATCH their role instead."
        ),
        teams.PersonalTeam: lambda error: Conflict(str(error)),
        teams.TeamNotEmpty: lambda _: Conflict(
            "There are groups in this team, or in its trash. Delete them first, and wait until "
            "their time in the trash is over."
        ),
    }
)
