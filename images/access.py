"""Finds who asks for photos, by which credential, and what they see and may do.

Each request has one such object, a MemberAccess or a GuestAccess, and hands it down.
"""

from __future__ import annotations

import hashlib
import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.db.models import Q

from bandpics.lookups import RowLookup
from bandpics.users.access import Access
from bandpics.users.models import User
from groups.models import Group
from images.models import NAMED_BY_ADDRESS, NOBODYS, Image, Upload, UploaderKey, UploaderKind
from invitations.models import Invitation

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from datetime import datetime

    from groups.models import GroupQuerySet
    from images.models import ImageQuerySet, UploadQuerySet

COARSE_STEPS = 100  # to a degree: about a kilometre each


@dataclass(frozen=True)
class Uploader:
    """Somebody who adds photos to a group: a member, a personal link, or one device with a shared
    link."""

    key: UploaderKey
    group: Group
    name: str = ""
    invitation: Invitation | None = None
    user: User | None = None

    @property
    def announces_to(self) -> UUID:
        """The group or the invitation that uploads are announced to."""
        return self.group.pk if self.invitation is None else self.invitation.pk

    def uploads(self) -> UploadQuerySet:
        """Returns the uploads that they announced to it."""
        return Upload.objects.sent_by(self.key, announced_to=self.announces_to)


@dataclass(frozen=True)
class Place:
    """The place of a photo, as exactly as the viewer may know it."""

    lat: float
    lon: float
    altitude: float | None = None
    direction: float | None = None
    datetime: datetime | None = None


@dataclass(frozen=True)
class VisibilityScope:
    """Which columns of the visible photos are shown. Filters match nothing else, or they would
    give away what the answer hides."""

    exact_places: Q = field(default_factory=Q)  # photos whose position is shown as it is
    filenames: Q = field(default_factory=Q)  # photos whose filename is shown; empty: all
    uploaders: Q = field(default_factory=Q)  # photos whose uploader's name is shown; empty: all
    coarse_places: Q | None = None  # others, whose position is shown rounded
    trash_of: GroupQuerySet | None = None  # groups whose trash is shown


@dataclass(frozen=True)
class Rights:
    """The relation between a photo and somebody who sees it."""

    is_host: bool  # an owner of its team
    is_own: bool

    @property
    def may_change(self) -> bool:
        return self.is_host or self.is_own

    def may_restore(self, image: Image) -> bool:
        """Whether they take the photo out of the trash: owners any, others what they put there."""
        return self.is_host or (self.is_own and image.trashed_by_uploader)


class PhotoAccess(ABC):
    """The common part of a member's and a guest's access."""

    if TYPE_CHECKING:  # fields of the one, properties of the other

        @property
        def key(self) -> UploaderKey:
            """Whose own photos they see."""

        @property
        def expires_at(self) -> datetime | None:
            """When the credential ends, if it does: no signed address outlives it."""

        @property
        def invitation(self) -> Invitation | None:
            """A guest's."""

    @property
    def is_guest(self) -> bool:
        return self.invitation is not None

    @property
    def sees_others_roughly(self) -> bool:
        """Whether a guest is shown about where other people's photos were taken."""
        return False

    @abstractmethod
    def owns(self, photo: Any) -> bool:
        """Whether a photo, or its columns, is theirs."""

    @abstractmethod
    def groups(self) -> GroupQuerySet:
        """Groups that may hold photos they see."""

    @abstractmethod
    def shown(self) -> Q:
        """Which photos of groups() they see."""

    @abstractmethod
    def images(self) -> ImageQuerySet:
        """Photos they see, those in the trash of a kept group, too."""

    @abstractmethod
    def uploads(self) -> UploadQuerySet:
        """Uploads announced with this credential."""

    @abstractmethod
    def upload(self, upload_id: UUID) -> Upload | None:
        """Returns one of uploads() with its photo, without that photo's large columns (`_WIDE`)."""

    @abstractmethod
    def scope(self) -> VisibilityScope: ...

    @abstractmethod
    def rights_on_all(self, images: Collection[Image]) -> dict[UUID, Rights]:
        """By the ids of the photos. The number of queries is constant."""

    def rights_on(self, image: Image) -> Rights:
        return self.rights_on_all([image])[image.pk]

    @abstractmethod
    def may_still_change(self) -> Callable[[Upload], bool]:
        """Whether they may change the photo of an upload of theirs. Looked up once for a list."""

    def visible_images(self) -> ImageQuerySet:
        """Photos they see, with their status. Nothing that is in the trash."""
        return self.images().with_status().kept()

    def sees_all_of(self, photo: Any) -> bool:
        """Position, raw EXIF, filename and hash, and what the hosts think of it."""
        return not self.is_guest or self.owns(photo)

    def uploader_of(self, photo: Any) -> str:
        """The name of whoever sent a photo, as far as they may know it."""
        name: str = photo.uploader_name
        return name if self.sees_all_of(photo) else name_for_guests(name)

    def place_of(self, photo: Any) -> Place | None:
        if photo.latitude is None or photo.longitude is None:
            return None
        if self.sees_all_of(photo):
            return Place(
                photo.latitude, photo.longitude, photo.altitude, photo.direction, photo.gps_at
            )
        if self.sees_others_roughly:
            return Place(coarse(photo.latitude), coarse(photo.longitude))
        return None


def coarse(degrees: float) -> float:
    """Plain arithmetic rather than round(), so that Postgres comes to the very same number."""
    return math.floor(degrees * COARSE_STEPS + 0.5) / COARSE_STEPS


@dataclass(frozen=True)
class MemberAccess(Access, PhotoAccess):
    """Members see every photo of the groups of their teams; owners of a team change them all."""

    @property
    def invitation(self) -> None:
        return None

    @property
    def key(self) -> UploaderKey:
        return UploaderKey(UploaderKind.MEMBER, str(self.user.pk))

    def owns(self, photo: Any) -> bool:
        return bool(photo.uploaded_by_id == self.user.pk)

    def groups(self) -> GroupQuerySet:
        return Group.objects.visible_to(self)

    def shown(self) -> Q:
        return Q()

    def images(self) -> ImageQuerySet:
        return Image.objects.filter(group__in=self.groups())

    def uploads(self) -> UploadQuerySet:
        # As a list: along one group's index the newest come first.
        groups = list(self.groups().values_list("pk", flat=True))
        return Upload.objects.filter(self.key.condition(), announced_to__in=groups)

    def upload(self, upload_id: UUID) -> Upload | None:
        if self.group_ids is not None:
            return _with_photo(self.uploads()).filter(pk=upload_id).first()
        user_id = self.user.pk
        return _OF_MEMBER.first(pk=upload_id, user_id=user_id, uploader_id=str(user_id))

    def uploader(self, group: Group) -> Uploader:
        return Uploader(self.key, group, name=str(self.user), user=self.user)

    def scope(self) -> VisibilityScope:
        return VisibilityScope(trash_of=Group.objects.owned_by(self))

    def rights_on_all(self, images: Collection[Image]) -> dict[UUID, Rights]:
        groups = Group.objects.filter(pk__in={image.group_id for image in images})
        owned = set(groups.owned_by(self).values_list("pk", flat=True))
        # Somebody who only looks by now changes nothing, not even their own.
        writable = set(groups.writable_by(self).values_list("pk", flat=True))
        return {
            image.pk: Rights(
                is_host=image.group_id in owned,
                is_own=self.owns(image) and image.group_id in writable,
            )
            for image in images
        }

    def may_still_change(self) -> Callable[[Upload], bool]:
        groups = set(Group.objects.writable_by(self).values_list("pk", flat=True))
        return lambda upload: upload.image.group_id in groups and _is_still_theirs(upload)


@dataclass(frozen=True)
class GuestAccess(PhotoAccess):
    """Guests see what their invitation or its group says: nothing, what they sent, or all photos
    that were approved."""

    invitation: Invitation
    key: UploaderKey

    @classmethod
    def of(cls, invitation: Invitation, *, device_secret: str = "") -> Self:
        """`device_secret` is what the browser keeps in its local storage."""
        link = str(invitation.pk)
        if invitation.kind == Invitation.Kind.PERSONAL:
            return cls(invitation, UploaderKey(UploaderKind.PERSONAL, link))
        device = hashlib.sha256(device_secret.encode()).hexdigest() if device_secret else ""
        return cls(invitation, UploaderKey(UploaderKind.SHARED, link, device))

    @property
    def expires_at(self) -> datetime:
        return self.invitation.expires_at

    @property
    def uploader(self) -> Uploader:
        # The name of a shared link is the link's, nobody's.
        name = self.invitation.name if self.key.kind == UploaderKind.PERSONAL else ""
        return Uploader(self.key, self.invitation.group, name=name, invitation=self.invitation)

    @property
    def sees_others_roughly(self) -> bool:
        return self.invitation.group.gps_policy == Group.GpsPolicy.COARSE

    @property
    def sees_own(self) -> bool:
        return self.key.is_identified and self.shows_own

    @property
    def sees_gallery(self) -> bool:
        """Whether they are shown what was approved of the group."""
        return self.awaits_gallery and self.invitation.group.is_revealed

    @property
    def awaits_gallery(self) -> bool:
        """Whether they are shown what was approved of the group, now or once it is revealed."""
        is_gallery = self._visibility == Group.Visibility.GALLERY
        return is_gallery and not self.invitation.is_expired

    @property
    def shows_own(self) -> bool:
        """Whether the link shows guests what they sent, if it is known who they are."""
        return self._visibility != Group.Visibility.DROP

    @property
    def _visibility(self) -> str:
        return self.invitation.visibility or self.invitation.group.visibility

    def owns(self, photo: Any) -> bool:
        key = (photo.uploader_kind, photo.uploader_id, photo.device_hash)
        return self.key.is_identified and key == self.key

    def groups(self) -> GroupQuerySet:
        theirs = Q(pk=self.invitation.group_id)
        if self.key.is_identified:  # a host may have moved some of them to another group
            theirs |= Q(pk__in=Image.objects.sent_by(self.key).values("group"))
        return Group.objects.kept().filter(theirs)

    def shown(self) -> Q:
        shown = self.key.condition() if self.sees_own else NOBODYS
        return shown | self.in_gallery if self.sees_gallery else shown

    @property
    def in_gallery(self) -> Q:
        """Which photos all guests of the group are shown."""
        approved = Image.Moderation.APPROVED
        return Q(group=self.invitation.group_id, version__gt=0, moderation=approved)

    def gallery_images(self) -> ImageQuerySet:
        """Returns the photos that all guests of the group are shown."""
        rows = Image.objects.filter(self.in_gallery) if self.sees_gallery else Image.objects.none()
        return rows.kept().in_kept_groups()

    def images(self) -> ImageQuerySet:
        return Image.objects.filter(self.shown()).in_kept_groups()

    def own_images(self) -> ImageQuerySet:
        """Returns the photos they sent, even by a link that shows nothing."""
        rows = Image.objects.sent_by(self.key) if self.key.is_identified else Image.objects.none()
        return rows.kept().in_kept_groups()

    def uploads(self) -> UploadQuerySet:
        return self.uploader.uploads()

    def upload(self, upload_id: UUID) -> Upload | None:
        found = {"announced_to": self.invitation.pk, **self.key.columns}
        return _OF_GUEST.first(pk=upload_id, **found)

    def scope(self) -> VisibilityScope:
        own = self.key.condition() if self.key.is_identified else NOBODYS
        coarse_places = ~own if self.sees_others_roughly else None
        return VisibilityScope(
            exact_places=own,
            filenames=own,
            uploaders=own | ~NAMED_BY_ADDRESS,
            coarse_places=coarse_places,
        )

    def rights_on_all(self, images: Collection[Image]) -> dict[UUID, Rights]:
        return {image.pk: Rights(is_host=False, is_own=self.owns(image)) for image in images}

    def may_still_change(self) -> Callable[[Upload], bool]:
        is_open = not self.invitation.group.is_closed and self.key.is_identified
        return lambda upload: is_open and _is_still_theirs(upload)


_WIDE = ("image__exif", "image__search_vector")


def _with_photo(uploads: UploadQuerySet) -> UploadQuerySet:
    return uploads.select_related("image").defer(*_WIDE).order_by()


_OF_GUEST = RowLookup(
    lambda pk, announced_to, **key: _with_photo(
        Upload.objects.sent_by(UploaderKey(*key.values()), announced_to=announced_to)
    ).filter(pk=pk),
    pk=UUID(int=1_618_033_988),
    announced_to=UUID(int=2_718_281_828),
    uploader_kind="a kind",
    uploader_id="an id",
    device_hash="a device",
)
_OF_MEMBER = RowLookup(
    lambda pk, user_id, uploader_id: _with_photo(
        Upload.objects.filter(
            UploaderKey(UploaderKind.MEMBER, uploader_id).condition(),
            announced_to__in=MemberAccess(User(pk=user_id)).groups().values("pk"),
        )
    ).filter(pk=pk),
    pk=UUID(int=1_618_033_988),
    user_id=1_618_033_988,
    uploader_id="an id",
)


def name_for_guests(name: str) -> str:
    """Returns an uploader's name as people without an account are shown it: members without a name
    are known by their e-mail address, which only members are told."""
    return "" if "@" in name else name


def _is_still_theirs(upload: Upload) -> bool:
    """Whether the photo is its uploader's, and nobody else has trashed it."""
    image = upload.image
    was_taken_away = image.trashed_at is not None and not image.trashed_by_uploader
    return image.uploader_key == upload.uploader_key and not was_taken_away
