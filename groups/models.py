"""Teams, their members, and their groups (the albums of events)."""

from __future__ import annotations

from datetime import UTC
from typing import TYPE_CHECKING, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.conf import settings
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import OuterRef, Subquery
from django.urls import reverse
from django.utils import timezone

from bandpics.ids import new_id

if TYPE_CHECKING:
    from datetime import tzinfo

    from bandpics.users.access import Access
    from bandpics.users.models import User


class TeamQuerySet(models.QuerySet["Team"]):
    def visible_to(self, access: Access) -> Self:
        """Teams that the user is in; all teams for an admin."""
        return self if is_admin(access) else self._with_role(access, Membership.Role.values)

    def manageable_by(self, access: Access) -> Self:
        """Teams whose name and members the user may change; all teams for an admin."""
        if is_admin(access):
            return self
        if access.group_ids is not None:
            return self.none()  # a key for some groups manages no team
        return self._with_role(access, [Membership.Role.OWNER])

    def writable_by(self, access: Access) -> Self:
        """Teams in which the user may make groups."""
        if access.group_ids is not None:
            return self.none()  # a key for some groups makes no other
        return self._with_role(access, [Membership.Role.OWNER, Membership.Role.MEMBER])

    def with_role_of(self, user: User) -> Self:
        """Adds `role`: the user's role in each team, or None."""
        mine = Membership.objects.filter(team=OuterRef("pk"), user=user)
        return self.annotate(role=Subquery(mine.values("role")[:1]))

    def _with_role(self, access: Access, roles: list[str]) -> Self:
        mine = Membership.objects.filter(user=access.user, role__in=roles)
        rows = self.filter(pk__in=mine.values("team"))
        if access.group_ids is None:
            return rows
        groups = Group.objects.kept().filter(pk__in=access.group_ids)
        return rows.filter(pk__in=groups.values("team"))


def is_admin(access: Access, *, permission: str = "groups.change_team") -> bool:
    """Whether the user manages all teams: a superuser, or staff with this permission.

    An API key for some groups never does.
    """
    if access.group_ids is not None:
        return False
    # Permissions count for staff only, as in the admin.
    return access.user.is_superuser or (access.user.is_staff and access.user.has_perm(permission))


class Team(models.Model):
    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    name = models.CharField(max_length=120)
    is_personal = models.BooleanField(default=False, help_text="Made when somebody registered.")
    members: models.ManyToManyField[User, Membership] = models.ManyToManyField(
        settings.AUTH_USER_MODEL, through="Membership", related_name="teams"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TeamQuerySet.as_manager()

    if TYPE_CHECKING:  # set by with_role_of()
        role: str | None

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    class Role(models.TextChoices):
        OWNER = "owner", "Owner"
        MEMBER = "member", "Member"
        VIEWER = "viewer", "Viewer"

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="memberships")
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="memberships"
    )
    role = models.CharField(max_length=10, choices=Role.choices, default=Role.MEMBER)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["team", "user"], name="membership_once_per_team"),
            models.CheckConstraint(
                condition=models.Q(role__in=["owner", "member", "viewer"]),
                name="membership_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.team} ({self.role})"


class GroupQuerySet(models.QuerySet["Group"]):
    """Groups that somebody may see or change; without the trash, unless the name says otherwise."""

    def kept(self) -> Self:
        """Groups that are not in the trash."""
        return self.filter(trashed_at=None)

    def visible_to(self, access: Access) -> Self:
        """Groups of the user's teams, in any role."""
        return self._with_role(access, Membership.Role.values)

    def writable_by(self, access: Access) -> Self:
        """Groups to which the user may add photos; viewers may not."""
        return self._with_role(access, [Membership.Role.OWNER, Membership.Role.MEMBER])

    def owned_by(self, access: Access) -> Self:
        """Groups whose policies, invitations and photos the user manages."""
        return self._with_role(access, [Membership.Role.OWNER])

    def trash_visible_to(self, access: Access) -> Self:
        """Groups in the trash that the user could see before."""
        return self._with_role(access, Membership.Role.values, is_trashed=True)

    def trash_owned_by(self, access: Access) -> Self:
        """Groups in the trash that the user may restore."""
        return self._with_role(access, [Membership.Role.OWNER], is_trashed=True)

    def with_role_of(self, user: User) -> Self:
        """Adds `role`: the user's role in each group's team."""
        mine = Membership.objects.filter(team=OuterRef("team"), user=user)
        return self.annotate(role=Subquery(mine.values("role")[:1]))

    def _with_role(self, access: Access, roles: list[str], *, is_trashed: bool = False) -> Self:
        rows = self.filter(
            team__memberships__user=access.user,
            team__memberships__role__in=roles,
            trashed_at__isnull=not is_trashed,
        )
        return rows if access.group_ids is None else rows.filter(pk__in=access.group_ids)


class Group(models.Model):
    """The album of one event, to which invitations and photos belong."""

    class Visibility(models.TextChoices):
        DROP = "drop", "Nothing: upload only"
        OWN = "own", "What they sent"
        GALLERY = "gallery", "All approved photos of the group"

    class GpsPolicy(models.TextChoices):
        MEMBERS = "members", "Members; uploaders for their own photos"
        COARSE = "coarse", "Guests too, rounded to about a kilometre"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="groups")
    name = models.CharField(max_length=120)
    description = models.TextField(blank=True, max_length=4000)
    event_name = models.CharField(max_length=200, blank=True)
    event_date = models.DateField(null=True, blank=True)
    venue = models.CharField(max_length=200, blank=True)
    latitude = models.FloatField(null=True, blank=True, help_text="Degrees north, WGS 84.")
    longitude = models.FloatField(null=True, blank=True, help_text="Degrees east, WGS 84.")
    visibility = models.CharField(
        max_length=10,
        choices=Visibility.choices,
        default=Visibility.OWN,
        help_text="What a guest with a link may see.",
    )
    reveal_at = models.DateTimeField(
        null=True, blank=True, help_text="Until then guests see only their own photos."
    )
    gps_policy = models.CharField(
        max_length=10,
        choices=GpsPolicy.choices,
        default=GpsPolicy.MEMBERS,
        help_text="Who sees where photos were taken.",
    )
    closes_at = models.DateTimeField(
        null=True, blank=True, help_text="From then on guests neither add nor change anything."
    )
    needs_approval = models.BooleanField(
        default=True,
        help_text="Photos of guests wait until a host approves them, but for trusted links.",
    )
    time_zone = models.CharField(
        max_length=64, default="UTC", help_text="IANA name, such as Europe/Vienna."
    )
    # No foreign key, because `images` lies above this app. A photo that is gone is no cover.
    cover_id = models.UUIDField(null=True, blank=True, editable=False)
    accent_colour = models.CharField(
        max_length=7,
        blank=True,
        validators=[RegexValidator(r"\A#[0-9a-f]{6}\Z")],
        help_text="As #rrggbb. Empty: Bandpics' own.",
    )
    licence = models.ForeignKey(
        "Licence",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="+",
        help_text="The sentence to which guests are asked to agree now.",
    )
    caption_language = models.CharField(
        max_length=10,
        blank=True,
        help_text="Language of generated captions, such as de. Empty: none are generated.",
    )
    # A trigger sets it: see images/captions/waiting.py.
    captions_outdated = models.BooleanField(
        default=False, editable=False, help_text="Some may be in the language of before."
    )
    retain_originals_days = models.PositiveIntegerField(
        null=True, blank=True, help_text="Drop originals so many days after processing."
    )
    trashed_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="With all its photos and links."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = GroupQuerySet.as_manager()

    if TYPE_CHECKING:  # set by with_role_of()
        role: str | None

    class Meta:
        ordering = ["-event_date", "-created_at"]
        indexes = [
            models.Index(
                fields=["id"],
                condition=models.Q(captions_outdated=True),
                name="group_captions_outdated",
            )
        ]
        constraints = [
            models.CheckConstraint(
                condition=models.Q(latitude__isnull=True, longitude__isnull=True)
                | models.Q(
                    # Not null explicitly, because a check that yields NULL passes.
                    latitude__isnull=False,
                    longitude__isnull=False,
                    latitude__range=(-90, 90),
                    longitude__range=(-180, 180),
                ),
                name="group_place_is_whole_and_on_earth",
                violation_error_message=(
                    "Give latitude (-90 to 90) and longitude (-180 to 180), or neither."
                ),
            ),
            models.CheckConstraint(
                condition=models.Q(visibility__in=["drop", "own", "gallery"]),
                name="group_visibility_is_known",
            ),
            models.CheckConstraint(
                condition=models.Q(gps_policy__in=["members", "coarse"]),
                name="group_gps_policy_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("group-gallery", args=[self.pk])

    @property
    def zone(self) -> tzinfo:
        """The time zone in which its hosts read and write dates."""
        try:
            return ZoneInfo(self.time_zone)
        except (ZoneInfoNotFoundError, ValueError):
            return UTC

    @property
    def is_closed(self) -> bool:
        """Whether guests can no longer add or change photos; started uploads may finish."""
        return self.closes_at is not None and self.closes_at <= timezone.now()

    @property
    def is_revealed(self) -> bool:
        """Whether guests may see other people's photos, if the visibility allows it."""
        return self.reveal_at is None or self.reveal_at <= timezone.now()


class Licence(models.Model):
    """One version of the sentence by which guests allow a host to show their photos.

    It never changes: another wording is another row. It outlives its group, because photos that
    were moved to another group keep what was agreed for them.
    """

    class Kind(models.TextChoices):
        SHOW = "show", "The team may show the photo in public"
        OWN = "own", "The host's own words"

    group = models.ForeignKey(Group, null=True, on_delete=models.SET_NULL, related_name="licences")
    number = models.PositiveIntegerField(help_text="Counts the versions of the group's sentence.")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    text = models.CharField(
        max_length=500, help_text="The standard sentence: in the language of the host."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["group", "number"], name="licence_once_per_number"),
            models.CheckConstraint(
                condition=models.Q(kind__in=["show", "own"]) & ~models.Q(text=""),
                name="licence_has_a_text",
            ),
        ]

    def __str__(self) -> str:
        return self.text


class GroupLogo(models.Model):
    """The logo of a group: a small PNG that was drawn anew from what the host sent.

    It is kept in the database: it is small, and belongs to no photo.
    """

    group = models.OneToOneField(
        Group, primary_key=True, on_delete=models.CASCADE, related_name="logo"
    )
    content = models.BinaryField(max_length=64 * 1024)
    width = models.PositiveSmallIntegerField()
    height = models.PositiveSmallIntegerField()
    updated_at = models.DateTimeField(auto_now=True)

    def __str__(self) -> str:
        return f"Logo of {self.group}"


class GroupVisit(models.Model):
    """When a member last looked at a group, for what is new since."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="group_visits"
    )
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="visits")
    visited_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "group"], name="group_visit_once_per_user")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.group}"


class GroupSubscription(models.Model):
    """A member who wants a mail when photos arrive in a group."""

    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.CASCADE, related_name="group_subscriptions"
    )
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="subscriptions")
    language = models.CharField(max_length=10, default="en")
    told_until = models.DateTimeField(help_text="Photos that were ready by then were told.")

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["user", "group"], name="group_subscription_once_per_user"
            )
        ]

    def __str__(self) -> str:
        return f"{self.user} hears of {self.group}"
