"""A page of the whole list of photos that somebody sees, without any filter.

Clients read it again and again, so its SQL is made once for each kind of page: to make it for each
request would cost more than all else that a request does before Postgres answers.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, NamedTuple
from uuid import UUID

from django.utils import timezone

from bandpics.lookups import Lookup
from bandpics.users.models import User
from groups.models import Group
from images.access import GuestAccess, MemberAccess
from images.listing import across_groups, image_rows
from images.listing.pagination import Cursor, Ordering, Page
from images.listing.search_plan import Search
from images.models import Image, UploaderKey
from invitations.models import Invitation

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from images.access import PhotoAccess
    from images.listing.pagination import Filled

# Keys of the statements: values that stand nowhere else in them.
_USER_ID = 1_618_033_988
_GROUP_ID = UUID(int=2_718_281_828)
_UPLOADER = {"uploader_id": "an id", "device_hash": "a device"}
_CURSOR_ID = UUID(int=1_618_033_988)
_MOMENTS = ("sort_at", "taken_at", "created_at", "updated_at")
_CURSOR_KEYS: dict[str, Any] = {
    "byte_size": 1_414_213_562,
    "original_filename": "a filename",
    **dict.fromkeys(_MOMENTS, datetime(1999, 3, 14, tzinfo=UTC)),
}


class _Kind(NamedTuple):
    """All that makes the SQL of one page differ from that of another, but for its keys."""

    ordering: str
    limit: int
    is_backwards: bool | None  # None: without a cursor
    is_wide: bool
    guest: str = ""  # the kind of the uploader; empty for a member
    visibility: str = ""


class Listed:
    """A photo of a page. Its place in the order is read only where a cursor needs it."""

    __slots__ = ("column", "row")

    def __init__(self, row: tuple[Any, ...], column: str) -> None:
        self.row: Any = image_rows.Row._make(row)
        self.column = column

    @property
    def id(self) -> UUID:
        return UUID(self.row.id)

    def __getattr__(self, name: str) -> Any:
        if name != self.column:
            raise AttributeError(name)
        place = self.row.place
        is_moment = place is not None and name in _MOMENTS
        return datetime.fromisoformat(place) if is_moment else place


def listed(access: PhotoAccess, page: Page) -> tuple[Filled[Any], list[dict[str, Any]]]:
    """Returns the page of all photos that this access is shown, and these as JSON: by one query,
    or by two for what is asked rarely."""
    found = _keys_of(access) if page.offset is None else None
    if found is None:
        filled = page.filled(page.places(search(access).cut(page)))
        return filled, image_rows.as_json([row.id for row in filled.rows], access=access)
    who, keys = found
    cursor = page.cursor
    if cursor is not None:
        keys |= {"cursor_key": cursor.key, "cursor_id": cursor.id}
    is_backwards = None if cursor is None else cursor.backwards
    is_wide = across_groups.are_many(access)
    kind = _Kind(page.ordering.name, page.limit, is_backwards, is_wide, *who)
    statement = _statement(kind)
    column = page.ordering.column
    filled = page.filled([Listed(row, column) for row in statement.all(**keys)])
    return filled, image_rows.rows_as_json([each.row for each in filled.rows], access=access)


def search(access: PhotoAccess) -> Search:
    """All photos that this access is shown."""
    return _search(access, is_wide=across_groups.are_many(access))


def _search(access: PhotoAccess, *, is_wide: bool) -> Search:
    rows = Image.objects.filter(access.shown()).kept()
    return Search(access.groups(), rows, is_wide=is_wide)


def _keys_of(access: PhotoAccess) -> tuple[tuple[str, ...], dict[str, Any]] | None:
    """Returns who asks, as values of _Kind and as keys of the statement. None for what is rare and
    has no statement of its own: API keys for some groups, guests whose device is not known."""
    if isinstance(access, MemberAccess):
        return None if access.group_ids is not None else ((), {"user_id": access.user.pk})
    if not isinstance(access, GuestAccess) or not access.key.is_identified:
        return None
    keys: dict[str, Any] = {"group_id": access.invitation.group_id, **access.key.columns}
    kind = str(keys.pop("uploader_kind"))
    return (kind, _visibility(access)), keys


def _visibility(access: GuestAccess) -> str:
    if access.sees_gallery:
        return Group.Visibility.GALLERY
    return Group.Visibility.OWN if access.sees_own else Group.Visibility.DROP


@lru_cache(maxsize=128)
def _statement(kind: _Kind) -> Lookup:
    column = Ordering(kind.ordering).column
    keys: dict[str, Any] = {"user_id": _USER_ID}
    if kind.guest:
        keys = {"group_id": _GROUP_ID, **_UPLOADER}
    if kind.is_backwards is not None:
        keys |= {"cursor_key": _CURSOR_KEYS[column], "cursor_id": _CURSOR_ID}
    within = partial(image_rows.with_places, is_moment=column in _MOMENTS)
    return Lookup(lambda **keys: _places(kind, keys), within, **keys)


def _places(kind: _Kind, keys: dict[str, Any]) -> QuerySet[Any, Any]:
    ordering = Ordering(kind.ordering)
    cursor = None
    if kind.is_backwards is not None:
        cursor = Cursor(kind.ordering, kind.is_backwards, keys["cursor_key"], keys["cursor_id"])
    access = _guest(kind, keys) if kind.guest else MemberAccess(User(pk=keys["user_id"]))
    cut = _search(access, is_wide=kind.is_wide).cut(Page("", ordering, kind.limit, cursor))
    return cut.values_list("id", ordering.column)


def _guest(kind: _Kind, keys: dict[str, Any]) -> GuestAccess:
    group = Group(pk=keys["group_id"], visibility=kind.visibility)
    later = timezone.now() + timedelta(days=1)
    invitation = Invitation(group=group, visibility=kind.visibility, expires_at=later)
    key = UploaderKey(kind.guest, keys["uploader_id"], keys["device_hash"])
    return GuestAccess(invitation, key)
