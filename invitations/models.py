"""Invitations: links by which people without an account add photos to a group."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import BooleanField, Case, F, Q, Value, When
from django.db.models.functions import Lower, Replace
from django.utils import timezone

from bandpics.ids import new_id
from bandpics.lookups import Lookup
from bandpics.users.models import Scope
from groups.models import Group, Membership, Team
from invitations import tokens
from invitations.outgoing_mail import OutgoingMail as OutgoingMail

if TYPE_CHECKING:
    from bandpics.users.access import Access


def default_expiry() -> datetime:
    return timezone.now() + settings.INVITATION_LIFETIME


class HasToken(models.Model):
    """The common part of invitations: a link with a secret token, which is not stored itself."""

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    nonce = models.BinaryField(editable=False, max_length=tokens.NONCE_BYTES)
    digest = models.CharField(editable=False, max_length=64, unique=True)

    class Meta:
        abstract = True

    def save(self, **kwargs: object) -> None:
        if not self.digest:
            self.new_secret()
        super().save(**kwargs)  # type: ignore[arg-type]  # Django's own

    def new_secret(self) -> None:
        """Makes another link, which the next save stores."""
        self.nonce = secrets.token_bytes(tokens.NONCE_BYTES)
        self.digest = tokens.digest(tokens.make(self.pk, self.nonce))

    @property
    def token(self) -> str:
        """The secret of the link. Raises tokens.TokenLost if its key is lost."""
        return tokens.recover(self.pk, bytes(self.nonce), expected_digest=self.digest)


class InvitationQuerySet(models.QuerySet["Invitation"]):
    def with_token(self, token: str) -> Self:
        return self.filter(digest=tokens.digest(token))

    def open(self, *, at: datetime | None = None) -> Self:
        return self.filter(revoked_at=None, expires_at__gt=at or timezone.now())

    def in_state(self, state: str) -> Self:
        """Invitations whose `state` is this one."""
        if state == Invitation.State.REVOKED:
            return self.filter(revoked_at__isnull=False)
        if state == Invitation.State.EXPIRED:
            return self.filter(revoked_at=None, expires_at__lte=timezone.now())
        is_full = Q(max_files__isnull=False, used_files__gte=F("max_files")) | Q(
            max_bytes__isnull=False, used_bytes__gte=F("max_bytes")
        )
        return self.open().filter(is_full if state == Invitation.State.EXHAUSTED else ~is_full)

    def with_gallery_of(self, group: Group | UUID, *, at: datetime | None = None) -> Self:
        """Open invitations that show approved photos of the group, whatever the group says."""
        return self.open(at=at).filter(group=group, visibility=Group.Visibility.GALLERY)

    def personal_to(self, email: str, *, group: Group) -> Self:
        rows = self.filter(group=group, kind=Invitation.Kind.PERSONAL)
        # Compared as in the unique index.
        return rows.alias(address=Lower("email")).filter(address=Lower(Value(email)))

    def personal_to_any(self, emails: list[str], *, group: Group) -> Self:
        rows = self.filter(group=group, kind=Invitation.Kind.PERSONAL)
        addresses = [Lower(Value(email)) for email in emails]
        return rows.alias(address=Lower("email")).filter(address__in=addresses)

    def managed_by(self, access: Access) -> Self:
        """Those that the user may change, and whose links they are shown."""
        owned = Q(group__in=Group.objects.owned_by(access))
        return self.visible_to(access).filter(owned | Q(created_by=access.user))

    def not_opened(self) -> Self:
        """Open links whose page nobody has opened."""
        return self.open().filter(opened_at=None, used_files=0)

    def without_photos(self) -> Self:
        """Open links by which nothing was sent."""
        return self.open().filter(used_files=0)

    def ended(self) -> Self:
        """Links that were revoked or have expired."""
        return self.filter(Q(revoked_at__isnull=False) | Q(expires_at__lte=timezone.now()))

    def to_remind(self) -> Self:
        """Personal links whose guests have sent nothing, and did not say that they have nothing."""
        return self.without_photos().filter(kind=Invitation.Kind.PERSONAL, declined_at=None)

    def visible_to(self, access: Access) -> Self:
        """Invitations of groups to which the user may add photos; viewers see none."""
        return self.filter(group__in=Group.objects.writable_by(access))

    def with_link_for(self, access: Access) -> Self:
        """Invitations whose `shows_link` would be true, see with_rights_of()."""
        if Scope.ADMIN not in access.scopes:
            return self.none()
        owned = Q(group__in=Group.objects.owned_by(access))
        return self.filter(owned | Q(created_by=access.user))

    def with_rights_of(self, access: Access) -> Self:
        """Adds `may_manage` and `shows_link`.

        Owners manage all invitations of a group, members their own. A link is shown to who may
        manage it, but not to a key without the scope `admin`.
        """
        owned = Q(group__in=Group.objects.owned_by(access))
        mine = Q(created_by=access.user)
        manages = Case(When(owned | mine, then=True), default=False)
        never = Value(False, output_field=BooleanField())
        return self.annotate(
            may_manage=manages, shows_link=manages if Scope.ADMIN in access.scopes else never
        )


def may_be_shown_to_guests(group: Group) -> bool:
    """Returns whether approved photos of the group may be shown to guests of any of its links."""
    if group.visibility == Group.Visibility.GALLERY:
        return True
    return _WITH_GALLERY.first(group=group.pk, at=timezone.now()) is not None


_WITH_GALLERY = Lookup(
    lambda group, at: (
        Invitation.objects.with_gallery_of(group, at=at).order_by().values_list("group")
    ),
    group=UUID(int=1_618_033_988),
    at=datetime(1618, 3, 3, tzinfo=UTC),
)


class Invitation(HasToken):
    class Kind(models.TextChoices):
        PERSONAL = "personal", "Personal: one person, by e-mail"
        SHARED = "shared", "Shared: everyone who holds the link"

    class State(models.TextChoices):
        OPEN = "open", "Open"
        EXHAUSTED = "exhausted", "Full: it opens, and takes nothing new"
        EXPIRED = "expired", "Expired: what was started may finish"
        REVOKED = "revoked", "Revoked: it is dead"

    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="invitations")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    email = models.EmailField(blank=True)
    name = models.CharField(max_length=120, blank=True)
    expires_at = models.DateTimeField(default=default_expiry)
    revoked_at = models.DateTimeField(null=True, blank=True)
    visibility = models.CharField(
        max_length=10,
        choices=Group.Visibility.choices,
        blank=True,
        help_text="Empty: as the group says.",
    )
    trusted = models.BooleanField(default=False, help_text="Photos need no approval.")
    max_files = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    max_bytes = models.PositiveBigIntegerField(null=True, blank=True, help_text="Empty: no limit.")
    used_files = models.PositiveIntegerField(default=0, editable=False)
    used_bytes = models.PositiveBigIntegerField(default=0, editable=False)
    opened_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="First, by the script of its page."
    )
    last_seen_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The last sign of life of its guests."
    )
    declined_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="The guest said: I have no photos."
    )
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="invitations",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    objects = InvitationQuerySet.as_manager()

    if TYPE_CHECKING:  # set by with_rights_of()
        may_manage: bool
        shows_link: bool

    class Meta:
        ordering = ["-created_at"]
        constraints = [
            models.UniqueConstraint(
                F("group"),
                Lower("email"),
                condition=Q(kind="personal"),
                name="invitation_once_per_person_and_group",
                violation_error_message="This person is already invited to this group.",
            ),
            models.CheckConstraint(
                condition=Q(kind="shared") | (Q(kind="personal") & ~Q(email="")),
                name="invitation_personal_has_an_email",
                violation_error_message="A personal invitation needs an e-mail address.",
            ),
            models.CheckConstraint(
                condition=Q(visibility__in=["", "drop", "own", "gallery"]),
                name="invitation_visibility_is_known",
            ),
        ]

    def __str__(self) -> str:
        return self.name or self.email or f"{self.kind} link"

    @property
    def files_left(self) -> int | None:
        """The number of files that it still accepts; None: no limit."""
        return None if self.max_files is None else max(0, self.max_files - self.used_files)

    @property
    def bytes_left(self) -> int | None:
        return None if self.max_bytes is None else max(0, self.max_bytes - self.used_bytes)

    def clean(self) -> None:
        super().clean()
        stored = Invitation.objects.filter(pk=self.pk).first()
        for limit, used in [("max_files", self.used_files), ("max_bytes", self.used_bytes)]:
            value = getattr(self, limit)
            is_new = stored is None or value != getattr(stored, limit)
            if is_new and value is not None and value < used:
                raise ValidationError({limit: f"{used} are used already; it cannot be less."})

    @property
    def upload_link(self) -> str:
        """The link to send to people, by PUBLIC_URL and not by the Host header."""
        return f"{settings.PUBLIC_URL}/i/{self.token}/"

    @property
    def state(self) -> Invitation.State:
        if self.is_revoked:
            return self.State.REVOKED
        if self.is_expired:
            return self.State.EXPIRED
        return self.State.EXHAUSTED if self.is_exhausted else self.State.OPEN

    @property
    def may_be_shown_to_guests(self) -> bool:
        """Whether photos sent by this link may be shown to guests of any link of the group."""
        return may_be_shown_to_guests(self.group)

    @property
    def is_revoked(self) -> bool:
        return self.revoked_at is not None

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()

    @property
    def is_exhausted(self) -> bool:
        return 0 in (self.files_left, self.bytes_left)


class ShortAddress(models.Model):
    """A word that a host chose for a link, `/j/<word>/`, so that a printed card can be typed.

    A word that was given up leads nowhere, and is kept for its group until `free_at`: a card that
    was printed must not suddenly lead to strangers.
    """

    word = models.CharField(
        max_length=40,
        unique=True,
        validators=[RegexValidator(r"\A[a-z0-9]+(?:-[a-z0-9]+)*\Z")],
        help_text="Small letters, digits and single hyphens.",
    )
    invitation = models.OneToOneField(
        Invitation, null=True, on_delete=models.CASCADE, related_name="short_address"
    )
    kept_for = models.ForeignKey(
        Group, null=True, on_delete=models.CASCADE, related_name="+", help_text="Once given up."
    )
    free_at = models.DateTimeField(null=True, help_text="When others may take it.")
    pin_hash = models.CharField(max_length=128, blank=True, help_text="Empty: no PIN.")
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        verbose_name_plural = "short addresses"
        constraints = [
            # People do not hear hyphens: hanna40 and hanna-40 are one word.
            models.UniqueConstraint(
                Replace(F("word"), Value("-"), Value("")), name="short_address_sounds_once"
            ),
            models.CheckConstraint(
                condition=Q(invitation__isnull=False, kept_for=None, free_at=None)
                | Q(invitation=None, kept_for__isnull=False, free_at__isnull=False),
                name="short_address_leads_somewhere_or_is_kept",
            ),
        ]

    def __str__(self) -> str:
        return self.word


class TeamInvitationQuerySet(models.QuerySet["TeamInvitation"]):
    def open_of(self, team: Team) -> Self:
        """Invitations of a team that nobody has accepted; they may have expired."""
        return self.filter(team=team, accepted_at=None)

    def to_address(self, email: str) -> Self:
        # Compared as in the unique index.
        return self.alias(address=Lower("email")).filter(address=Lower(Value(email)))


class TeamInvitation(HasToken):
    """Asks somebody by e-mail to join a team in a role."""

    team = models.ForeignKey(Team, on_delete=models.CASCADE, related_name="invitations")
    email = models.EmailField()
    role = models.CharField(max_length=10, choices=Membership.Role.choices)
    expires_at = models.DateTimeField(default=default_expiry)
    accepted_at = models.DateTimeField(null=True, blank=True, editable=False)
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        on_delete=models.SET_NULL,
        related_name="team_invitations",
    )
    created_at = models.DateTimeField(auto_now_add=True)

    objects = TeamInvitationQuerySet.as_manager()

    class Meta:
        constraints = [
            models.UniqueConstraint(
                F("team"),
                Lower("email"),
                condition=Q(accepted_at=None),
                name="team_invitation_once_per_address",
            ),
            models.CheckConstraint(
                condition=Q(role__in=["owner", "member", "viewer"]),
                name="team_invitation_role_is_known",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.email} to {self.team} ({self.role})"

    @property
    def join_link(self) -> str:
        """The link to send to the person, by PUBLIC_URL and not by the Host header."""
        return f"{settings.PUBLIC_URL}/teams/join/{self.token}/"

    @property
    def is_expired(self) -> bool:
        return self.expires_at <= timezone.now()
