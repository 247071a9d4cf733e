"""Creates the first admin of an installation, and a team."""

from __future__ import annotations

import secrets
import sys
from getpass import getpass
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError
from django.core.validators import validate_email
from django.db import transaction

from bandpics.users.models import User
from groups import teams
from groups.models import Membership

if TYPE_CHECKING:
    from django.core.management.base import CommandParser


class Command(BaseCommand):
    help = (
        "Creates an admin who owns a team; gives a team to an admin without one. Asks for the "
        "password, or reads it from standard input. Without EMAIL: says so if there is no admin. "
        "Safe to call twice."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", nargs="?")
        parser.add_argument("--name", default="", help="the name that others see")
        parser.add_argument(
            "--team", default="Our team", help="the name of the team (default: %(default)s)"
        )
        parser.add_argument(
            "--random-password",
            action="store_true",
            help="set a password that nobody knows, where none can be typed: the sign-in page "
            "mails a link for another",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        if options["email"]:
            words = {key: options[key] for key in ("name", "team", "random_password")}
            self.stdout.write(_create(options["email"], **words))
        elif not User.objects.filter(is_superuser=True, is_active=True).exists():
            self.stdout.write(
                "There is no admin yet. Make one who has a team, for example by\n"
                "  docker compose run --rm web first_admin you@example.org"
            )


def _create(email: str, *, name: str, team: str, random_password: bool) -> str:
    """Returns what was done. Raises CommandError."""
    user = User.objects.with_email(email).first()
    if user is not None and not user.is_superuser:
        raise CommandError(f"{user.email} has an account and is no admin. Take another address.")
    if user is not None and Membership.objects.filter(user=user).exists():
        return f"{user.email} is an admin in a team already."
    password = None
    if user is None:
        password = _password(User(email=email, name=name), is_random=random_password)
    with transaction.atomic():
        if user is None:
            user = User.objects.create_superuser(email, password, name=name)
        teams.start(name=team, owner=user)
    return f"{user.email} is an admin and owns {team}. Sign in: {settings.PUBLIC_URL}/login/"


def _password(user: User, *, is_random: bool) -> str:
    """Reads a password, never from an argument or a variable, which others may read."""
    try:
        validate_email(user.email)
        if is_random:
            return secrets.token_urlsafe(40)
        if sys.stdin.isatty():
            password = getpass("Password: ")
            if getpass("Again: ") != password:
                raise CommandError("The two differ.")
        else:
            password = sys.stdin.readline().rstrip("\n")
        validate_password(password, user)
    except ValidationError as error:
        raise CommandError(" ".join(error.messages)) from None
    return password
