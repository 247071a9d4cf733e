"""Uploaders: whose photos these are, in columns that outlive the person and the link."""

from __future__ import annotations

from typing import Any, NamedTuple

from django.db import models
from django.db.models import CheckConstraint, Q


class UploaderKind(models.TextChoices):
    MEMBER = "member", "Somebody with an account"
    PERSONAL = "personal", "Whoever holds a personal link"
    SHARED = "shared", "One device that holds a shared link"
    RECOVERED = "recovered", "Nobody knows: the photo was made again from its objects"


class UploaderKey(NamedTuple):
    """Names one uploader: equal keys see and undo each other's uploads.

    `id` is that of the user or the invitation. `device_hash` tells the devices of a shared link
    apart; the secret itself is not kept.
    """

    kind: str
    id: str = ""
    device_hash: str = ""

    @property
    def is_identified(self) -> bool:
        """False for a shared link without a device secret: nobody can be told from another,
        so nobody is shown a list."""
        return self.kind != UploaderKind.SHARED or bool(self.device_hash)

    @property
    def columns(self) -> dict[str, str]:
        return dict(zip(UPLOADER_COLUMNS, self, strict=True))

    def condition(self) -> Q:
        return Q(**self.columns)


UPLOADER_COLUMNS = ("uploader_kind", "uploader_id", "device_hash")
RECOVERED = UploaderKey(UploaderKind.RECOVERED)
# A condition that no photo meets. Not none(): that cannot be part of a larger query.
NOBODYS = Q(uploader_kind="")

# Photos of members without a name, who are known by their e-mail address.
NAMED_BY_ADDRESS = Q(uploader_name__contains="@")

# For the Meta.constraints of each model below HasUploader.
UPLOADER_IS_WHOLE = CheckConstraint(
    condition=Q(uploader_kind__in=["member", "personal"], device_hash="") & ~Q(uploader_id="")
    | Q(uploader_kind="shared") & ~Q(uploader_id="")
    | Q(uploader_kind="recovered", uploader_id="", device_hash=""),
    name="%(class)s_uploader_is_whole",
)


class HasUploader(models.Model):
    """Columns of an UploaderKey. No foreign keys: users and invitations may be deleted."""

    uploader_kind = models.CharField(max_length=10, choices=UploaderKind.choices, editable=False)
    uploader_id = models.CharField(max_length=36, blank=True, editable=False)
    device_hash = models.CharField(max_length=64, blank=True, editable=False)

    objects: Any = models.Manager()  # without one, django-stubs never ends looking for it

    class Meta:
        abstract = True

    @property
    def uploader_key(self) -> UploaderKey:
        return UploaderKey(self.uploader_kind, self.uploader_id, self.device_hash)
