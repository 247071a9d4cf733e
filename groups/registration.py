"""Registers a user, with a team and a group of their own."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from bandpics.users import api_keys
from bandpics.users.models import Scope, User
from groups.models import Group, Membership, Team

if TYPE_CHECKING:
    from bandpics.users.models import ApiKey


class EmailTaken(Exception):
    """There is an account with this e-mail address, in upper or lower case."""


@dataclass(frozen=True)
class Registered:
    user: User
    group: Group
    key_row: ApiKey
    api_key: str  # shown once


def sign_up(*, email: str, password: str, name: str = "") -> tuple[User, Group]:
    """Creates an account, and a personal team and group. Raises EmailTaken.

    The caller has checked the password, and that people may register.
    """
    try:
        with transaction.atomic():
            user = User.objects.create_user(email, password, name=name)
            return user, make_home(user)
    except IntegrityError as error:
        if "user_email_once" in str(error) or "users_user_email" in str(error):
            raise EmailTaken from None
        raise


@transaction.atomic
def register(*, email: str, password: str, name: str = "") -> Registered:
    """Does the same as sign_up(), and issues an API key."""
    user, group = sign_up(email=email, password=password, name=name)
    row, key = api_keys.issue(user, name="First key", scopes=Scope.values)
    return Registered(user, group, row, key)


@transaction.atomic
def make_home(user: User) -> Group:
    """Creates a personal team and a group in it, named in the language of the request."""
    # The host's guests read it: "The members of Hanna's team".
    name = _("{name}'s team").format(name=user)
    team = Team.objects.create(name=name[:120], is_personal=True)
    Membership.objects.create(team=team, user=user, role=Membership.Role.OWNER)
    return Group.objects.create(team=team, name=_("My photos"))
