"""Accounts, their sessions and API keys, identities of another issuer, and records of idempotent
calls."""

from __future__ import annotations

from typing import Any, ClassVar

from django.contrib.auth.base_user import AbstractBaseUser, BaseUserManager
from django.contrib.auth.models import PermissionsMixin
from django.contrib.postgres.fields import ArrayField
from django.contrib.sessions.base_session import AbstractBaseSession
from django.db import models, transaction
from django.db.models.functions import Lower
from django.utils import timezone
from django.utils.module_loading import import_string
from rest_framework_api_key.models import AbstractAPIKey

from bandpics.audit import trail
from bandpics.audit.models import Action


class UserManager(BaseUserManager["User"]):
    def create_user(self, email: str, password: str | None = None, **fields: Any) -> User:
        """Creates a user; one without a password can only sign in by other means."""
        if not email:
            raise ValueError("A user needs an e-mail address.")
        user = self.model(email=self.normalize_email(email), **fields)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(self, email: str, password: str | None = None, **fields: Any) -> User:
        return self.create_user(email, password, is_staff=True, is_superuser=True, **fields)

    def get_by_natural_key(self, username: str | None) -> User:
        return self.with_email(username or "").get()

    def with_email(self, email: str) -> models.QuerySet[User]:
        """Returns the user with this address, compared as in the unique index.

        `iexact` would compare more loosely: it takes a long s for an s.
        """
        return self.alias(address=Lower("email")).filter(address=Lower(models.Value(email)))


class User(AbstractBaseUser, PermissionsMixin):
    email = models.EmailField(unique=True)
    name = models.CharField(max_length=120, blank=True)
    is_staff = models.BooleanField(
        default=False, help_text="May open the admin, within their permissions."
    )
    is_active = models.BooleanField(
        default=True, help_text="Untick instead of deleting: their photos stay credited."
    )
    created_at = models.DateTimeField(default=timezone.now, editable=False)

    objects: ClassVar[UserManager] = UserManager()

    EMAIL_FIELD = USERNAME_FIELD = "email"
    REQUIRED_FIELDS = []

    class Meta:
        constraints = [
            models.UniqueConstraint(
                Lower("email"),
                name="user_email_once",
                violation_error_message="There is already a user with this e-mail address.",
            )
        ]

    def __str__(self) -> str:
        return self.name or self.email

    def clean(self) -> None:
        super().clean()
        self.email = type(self).objects.normalize_email(self.email)

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Saves, and records a new account or password in the audit trail."""
        action = Action.ACCOUNT_CREATED if self._state.adding else Action.PASSWORD_CHANGED
        # AbstractBaseUser keeps a new password there until it is saved.
        is_recorded = self._state.adding or getattr(self, "_password", None) is not None
        with transaction.atomic():
            super().save(*args, **kwargs)
            if is_recorded:
                trail.record(action, details={"of_user": self.pk})

    get_full_name = get_short_name = __str__


class Session(AbstractBaseSession):
    """A session of a browser, with what its owner needs to know it by.

    The store, bandpics.users.sessions, fills the columns beside those of Django.
    """

    # Without a constraint: a request that is still under way may store its session after its user
    # was deleted. Nobody is signed in by it.
    user = models.ForeignKey(
        User, null=True, on_delete=models.CASCADE, db_constraint=False, related_name="sessions"
    )
    browser = models.CharField(max_length=20, blank=True)
    platform = models.CharField(max_length=20, blank=True)
    signed_in_at = models.DateTimeField(null=True)
    last_seen_at = models.DateTimeField(null=True)

    class Meta(AbstractBaseSession.Meta):
        abstract = False

    @classmethod
    def get_session_store_class(cls) -> type[Any]:
        store: type[Any] = import_string("bandpics.users.sessions.SessionStore")
        return store


class Scope(models.TextChoices):
    """A scope of a credential. Sessions and JWTs have all scopes, an API key has its own."""

    READ = "read", "See"
    UPLOAD = "upload", "Add and change photos"
    MODERATE = "moderate", "Approve, reject, trash other people's photos"
    ADMIN = "admin", "Manage groups, invitations, teams and keys"


class ApiKey(AbstractAPIKey):
    """A secret for scripts, `prefix.secret`, shown once and stored as a hash."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="api_keys")
    scopes = ArrayField(models.CharField(max_length=10, choices=Scope.choices))
    # Empty: all groups of the user. No foreign keys, because `groups` lies above this app.
    group_ids = ArrayField(models.UUIDField(), default=list, blank=True)
    last_used_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta(AbstractAPIKey.Meta):
        constraints = [
            models.CheckConstraint(
                condition=models.Q(
                    scopes__contained_by=["read", "upload", "moderate", "admin"], scopes__len__gt=0
                ),
                name="api_key_scopes_are_known",
            )
        ]


class ExternalIdentity(models.Model):
    """The name by which another issuer's tokens know a user."""

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="external_identities")
    issuer = models.CharField(max_length=255)
    subject = models.CharField(max_length=255)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "external identities"
        constraints = [
            models.UniqueConstraint(
                fields=["issuer", "subject"], name="external_identity_is_one_person"
            )
        ]

    def __str__(self) -> str:
        return f"{self.subject} at {self.issuer}"


class IdempotencyRecord(models.Model):
    """The response to a call with an Idempotency-Key. See bandpics.api.idempotency."""

    credential = models.CharField(max_length=200)
    route = models.CharField(max_length=200)
    key_digest = models.CharField(max_length=64)
    body_digest = models.CharField(max_length=64)
    # Null while the first call runs.
    status = models.PositiveSmallIntegerField(null=True)
    # The response, or only what is needed to make it again if it holds secrets.
    answer = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["credential", "route", "key_digest"], name="idempotency_key_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.route} by {self.credential}"
