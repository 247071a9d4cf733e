"""What somebody who looks at photos may know of them: whose they are, and where they were taken."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from groups.models import Group

if TYPE_CHECKING:
    from datetime import datetime

    from bandpics.users.callers import Caller
    from images.access.uploader import Uploader

COARSE_STEPS = 100  # to a degree: about a kilometre each


class Placed(Protocol):
    """A photo, or the columns of one."""

    sender: str
    uploaded_by_id: int | None
    latitude: float | None
    longitude: float | None
    altitude: float | None
    direction: float | None
    gps_at: datetime | None


@dataclass(frozen=True)
class Place:
    """Where a photo was taken, as exactly as its viewer may know."""

    lat: float
    lon: float
    altitude: float | None = None
    direction: float | None = None
    datetime: datetime | None = None


@dataclass(frozen=True)
class Viewer:
    """A member, or a guest. `is_guest` decides what is shown of other people's photos.

    `until` is when their credential ends, if it does: no signed address outlives it.
    """

    is_guest: bool
    user_id: Any = None
    sender_key: str = ""  # a guest's; empty: nothing is theirs
    sees_others_roughly: bool = False
    until: datetime | None = None

    def owns(self, photo: Any) -> bool:
        if self.is_guest:
            return bool(self.sender_key) and photo.sender == self.sender_key
        return self.user_id is not None and photo.uploaded_by_id == self.user_id

    def sees_all_of(self, photo: Any) -> bool:
        """Position, raw EXIF, filename and hash, and what the hosts think of it."""
        return not self.is_guest or self.owns(photo)

    def place_of(self, photo: Placed) -> Place | None:
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


def member(caller: Caller) -> Viewer:
    return Viewer(is_guest=False, user_id=caller.user.pk, until=caller.expires_at)


def guest(sender: Uploader) -> Viewer:
    return Viewer(
        is_guest=True,
        sender_key=sender.key if sender.is_identified else "",
        sees_others_roughly=sender.group.gps_policy == Group.GpsPolicy.COARSE,
        until=None if sender.invitation is None else sender.invitation.expires_at,
    )
