"""What a wall shows: the approved photos of its group, first those that were on no wall yet.

A wall holds no list of all photos. It asks for a window of the round, the next 24 from a place on,
and gets the newest arrivals along with it.
"""

from __future__ import annotations

import hashlib
import itertools
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from uuid import UUID

from django.db.models import F, FilteredRelation, OuterRef, Q, Subquery, Value
from django.db.models.functions import Coalesce, Left, Now, NullIf, Trim

from images.access import name_for_guests
from images.models import Image, Tombstone, Wall
from images.storage.objects import photo_storage
from invitations import sharing
from invitations.models import Invitation
from invitations.tokens import TokenLost

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from images.models import ImageQuerySet

VARIANT = "fullsize"
WINDOW = 24
ARRIVALS = 20
# A photo is an arrival for other walls of its group, too, so long after one has shown it.
ARRIVAL_FOR = timedelta(seconds=60)
# A row is dated when it is written, and seen when that is committed. Postgres ends sessions that
# leave a transaction idle for 30 seconds; see DATABASES in the settings.
SETTLED_AFTER = timedelta(seconds=35)
SEEN_EVERY = timedelta(minutes=1)
# What a screen reader says of a photo: a person's words, or else a model's.
LONGEST_ALT = 250
_ALT = Left(
    Coalesce(
        *(NullIf(Trim(name), Value("")) for name in ("caption", "description")), F("generated_text")
    ),
    LONGEST_ALT,
)
# All that is read of a wall, its group and its link: hundreds of walls ask every few seconds, and
# the other columns would take half the time.
COLUMNS = (
    *("digest", "nonce", "revoked_at", "seen_at", "group_id", "invitation_id"),
    *("group__name", "group__team", "group__trashed_at", "group__reveal_at"),
    *("group__closes_at", "group__time_zone"),
    *("invitation__digest", "invitation__nonce", "invitation__group"),
    *("invitation__revoked_at", "invitation__expires_at"),
    *("invitation__max_files", "invitation__used_files"),
    *("invitation__max_bytes", "invitation__used_bytes"),
    *("invitation__short_address__word", "invitation__short_address__invitation"),
)


@dataclass(frozen=True)
class Place:
    """The place of a photo in the round: from the last to the first that was announced."""

    created_at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{self.created_at.isoformat()}~{self.id}"

    @classmethod
    def read(cls, text: str) -> Self | None:
        """None for what is no place: the round begins anew there."""
        moment, _, image_id = text[:100].partition("~")
        try:
            place = cls(datetime.fromisoformat(moment), UUID(image_id))
        except ValueError:
            return None
        return place if place.created_at.tzinfo is not None else None


class Row(NamedTuple):
    """A photo as a wall needs it."""

    id: UUID
    created_at: datetime
    version: int
    uploader_name: str
    alt: str
    first_on_wall_at: datetime | None
    uploader: tuple[str, str, str]
    key: str
    content_type: str
    width: int
    height: int

    @property
    def place(self) -> Place:
        return Place(self.created_at, self.id)


# --- The wall and its state -----------------------------------------------------------------


def find(token: str) -> Wall | None:
    """Returns the wall with all that tells whether its photos changed. It makes one query."""
    images = Image.objects.filter(group=OuterRef("group")).order_by("-updated_at")
    gone = Tombstone.objects.filter(team_id=OuterRef("group__team")).order_by("-removed_at")
    rows = Wall.objects.with_token(token).select_related("group", "invitation__short_address")
    rows = rows.only(*COLUMNS).annotate(
        changed_at=Subquery(images.values("updated_at")[:1]),
        left_at=Subquery(gone.values("removed_at")[:1]),
        read_at=Now(),
    )
    return rows.first()


def is_settled(wall: Any) -> bool:
    """Whether no change of a photo can be under way that is dated before the last one."""
    moments = [moment for moment in (wall.changed_at, wall.left_at) if moment is not None]
    return not moments or wall.read_at - max(moments) > SETTLED_AFTER


def version_of(wall: Any) -> str:
    """Returns what differs once anything that the wall shows has changed. Signed addresses change
    every hour."""
    hour = datetime.now(UTC).strftime("%Y%m%d%H")
    return _digest(wall.changed_at, wall.left_at, wall.group.is_revealed, frame_of(wall), hour)


def frame_of(wall: Wall) -> str:
    """Returns what differs once the texts or the code around the photos have changed."""
    group, invitation = wall.group, handed_out(wall)
    code: tuple[object, ...] = ()
    if invitation is not None:
        word = sharing.short_address_of(invitation)
        code = (invitation.digest, word.word if word else "")
    return _digest(group.name, group.reveal_at, group.is_revealed, group.time_zone, *code)


def _digest(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def handed_out(wall: Wall) -> Invitation | None:
    """Returns the link in the code of the wall, if it still takes photos."""
    invitation = wall.invitation
    if invitation is None or invitation.group_id != wall.group_id or wall.group.is_closed:
        return None
    return invitation if invitation.state == Invitation.State.OPEN else None


def link_of(wall: Wall) -> tuple[str, str]:
    """Returns the address in the code, and the short one as people type it; "" for what is not
    there."""
    invitation = handed_out(wall)
    if invitation is None:
        return "", ""
    chosen = sharing.short_address_of(invitation)
    if chosen is not None:
        link = sharing.short_link(chosen.word)
        return link, link.partition("://")[2].rstrip("/")
    try:
        return invitation.upload_link, ""
    except TokenLost:
        return "", ""


def record_sight(wall: Any) -> None:
    """Records that a screen shows the wall, at most once a minute."""
    due = Q(seen_at=None) | Q(seen_at__lt=wall.read_at - SEEN_EVERY)
    if wall.seen_at is None or wall.seen_at < wall.read_at - SEEN_EVERY:
        Wall.objects.filter(due, pk=wall.pk).update(seen_at=Now())


# --- Photos ---------------------------------------------------------------------------------


def photos_json(wall: Any, *, after: Place | None, on_screen: UUID | None) -> dict[str, Any]:
    """Returns the arrivals and the window of the round that follows a place; and whether the photo
    that is on the screen may stay there."""
    if not wall.group.is_revealed:
        return {"arrivals": [], "round": [], "next": None, "stays": False}
    rows = _with_variant(Image.objects.in_group(wall.group).for_walls())
    arrivals, (window, next_place) = _arrivals(rows, now=wall.read_at), _window(rows, after)
    listed = {row.id for row in [*arrivals, *window]}
    stays = on_screen in listed or (on_screen is not None and rows.filter(pk=on_screen).exists())
    prepare = photo_storage().prepare_get
    prepared = {kind: prepare(content_type=kind) for kind in _types([*arrivals, *window])}

    def shown(row: Row) -> dict[str, Any]:
        return {
            "id": str(row.id),
            "version": row.version,
            "url": prepared[row.content_type].url(row.key),
            "width": row.width,
            "height": row.height,
            "by": name_for_guests(row.uploader_name),
            "alt": row.alt,
            "is_new": row.first_on_wall_at is None,
        }

    return {
        "arrivals": [shown(row) for row in arrivals],
        "round": [shown(row) for row in spread(window)],
        "next": None if next_place is None else str(next_place),
        "stays": stays,
    }


def mark_shown(wall: Wall, ids: Collection[UUID]) -> int:
    """Records when photos were on a wall for the first time. Returns how many it was for.

    `updated_at` stays as it is: nothing of the photos changed, and nobody's edit is in conflict.
    """
    rows = Image.objects.in_group(wall.group).for_walls().filter(pk__in=ids, first_on_wall_at=None)
    return rows.update(first_on_wall_at=Now())


def _types(rows: Iterable[Row]) -> set[str]:
    return {row.content_type for row in rows}


def _arrivals(rows: ImageQuerySet, *, now: datetime) -> list[Row]:
    """Photos that were on no wall before, the last first, and then those that another wall has
    just shown. All are in the order of an index, so that no other photo is looked at."""
    found = _read(rows.order_by("-first_on_wall_at", "-created_at", "-id")[:ARRIVALS])
    since = now - ARRIVAL_FOR
    return [row for row in found if row.first_on_wall_at is None or row.first_on_wall_at > since]


def _window(rows: ImageQuerySet, after: Place | None) -> tuple[list[Row], Place | None]:
    """Returns the photos that follow the place, from the beginning again behind the last; and the
    place behind them. None: these are all photos that there are."""
    ordered = rows.order_by("-created_at", "-id")
    rest = ordered
    if after is not None:
        earlier = Q(created_at__lt=after.created_at)
        rest = ordered.filter(earlier | Q(created_at=after.created_at, id__lt=after.id))
    found = _read(rest[: WINDOW + 1])
    if after is not None and len(found) <= WINDOW:
        known = {row.id for row in found}
        found += [row for row in _read(ordered[: WINDOW + 1]) if row.id not in known]
    if len(found) <= WINDOW:
        return found, None
    return found[:WINDOW], found[WINDOW - 1].place


def _with_variant(rows: ImageQuerySet) -> ImageQuerySet:
    """Leaves out photos without the variant: they are being repaired."""
    current = Q(variants__name=VARIANT, variants__version=F("version"))
    rows = rows.annotate(shown=FilteredRelation("variants", condition=current))
    return rows.filter(Q(("shown__isnull", False)))


def _read(rows: ImageQuerySet) -> list[Row]:
    found = rows.annotate(alt=_ALT).values_list(
        *("id", "created_at", "version", "uploader_name", "alt", "first_on_wall_at"),
        *("uploader_kind", "uploader_id", "device_hash"),
        *("shown__key", "shown__content_type", "shown__width", "shown__height"),
    )
    return [Row._make([*row[:6], row[6:9], *row[9:]]) for row in found]


def spread(rows: list[Row]) -> list[Row]:
    """Orders photos so that the uploaders take turns: nobody's fifty follow each other while
    somebody else has one."""
    by_uploader: dict[tuple[str, str, str], list[Row]] = {}
    for row in rows:
        by_uploader.setdefault(row.uploader, []).append(row)
    turns = itertools.zip_longest(*by_uploader.values())
    return [row for turn in turns for row in turn if row is not None]
