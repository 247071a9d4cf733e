"""The tiles of a grid of photos: what each shows, and the addresses it leads to.

Pages of members and of guests share the grid. What a tile offers, and where it leads, is for the
page to say (`Offers`).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import TYPE_CHECKING

from django.utils.formats import date_format
from django.utils.text import Truncator
from django.utils.translation import pgettext

from images.storage.objects import photo_storage
from images.templatetags.photos import in_words, placeholder, ratio_class, shown_sizes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping
    from datetime import datetime
    from uuid import UUID

    from images.models import Image, Variant

    Sign = Callable[[Variant], str]

SMALLEST = "thumb"
# Of the tile. Each size more costs a page of 60 photos 3 KiB: signatures do not compress.
SIZES = ("thumb", "tile")
LARGEST = "fullsize"
LONGEST_CAPTION = 300  # letters: the photo's page has all of them


def _nothing(_: Image) -> str:
    return ""


def _never(_: Image) -> bool:
    return False


@dataclass(frozen=True)
class Offers:
    """What a page offers for each photo of its grid. An empty address offers nothing."""

    page_url: Callable[[Image], str]
    download_url: Callable[[Image], str] = _nothing
    removal_url: Callable[[Image], str] = _nothing  # on which its removal is asked for
    may_change: Callable[[Image], bool] = _never
    moderation: Callable[[Image], str] = _nothing  # for hosts, unless the photo is approved
    mark: Callable[[Image], str] = _nothing  # a word or two on the tile


@dataclass(frozen=True)
class Tile:
    """One photo as the grid and the lightbox show it."""

    alt: str
    credit: str
    taken: str
    caption: str
    placeholder: str
    moderation: str
    mark: str
    is_new: bool
    more: int  # photos that look alike and are not shown
    stack_url: str  # where they are
    may_change: bool
    page_url: str
    download_url: str
    removal_url: str
    thumb: Variant
    src: str
    srcset: str
    sizes: str
    ratio_class: str
    full: Variant
    full_url: str


def prepare(
    photos: Iterable[Image],
    offers: Offers,
    *,
    new_ids: Collection[UUID] = (),
    more: Mapping[UUID, int] | None = None,
    until: datetime | None = None,
) -> list[Image]:
    """Gives each photo its `tile`, or None if it has no picture to show.

    `more` says how many others lie below a photo that is on top of its stack. No signed address is
    good for longer than `until`. Needs with_variants().
    """
    prepared = cache(partial(photo_storage().prepare_get, until=until))

    def sign(variant: Variant) -> str:
        return prepared(content_type=variant.content_type).url(variant.key)

    photos = list(photos)
    for image in photos:
        below = (more or {}).get(image.pk, 0)
        tile = _tile(image, offers, sign, is_new=image.pk in new_ids, more=below)
        image.tile = tile  # type: ignore[attr-defined]  # for the template
    return photos


def _tile(image: Image, offers: Offers, sign: Sign, *, is_new: bool, more: int) -> Tile | None:
    variants = image.variant_by_name
    thumb = variants.get(SMALLEST)
    if thumb is None:
        return None
    full = variants.get(LARGEST, thumb)
    offered = {name: sign(variants[name]) for name in SIZES if name in variants}
    return Tile(
        alt=in_words(image),
        credit=image.uploader_name,
        taken=_taken(image),
        caption=Truncator(image.caption.strip()).chars(LONGEST_CAPTION),
        placeholder=placeholder(image),
        moderation=offers.moderation(image),
        mark=offers.mark(image),
        is_new=is_new,
        more=more,
        stack_url=f"?stack={image.stack_id}" if more else "",
        may_change=offers.may_change(image),
        page_url=offers.page_url(image),
        download_url=offers.download_url(image),
        removal_url=offers.removal_url(image),
        thumb=thumb,
        src=offered[SMALLEST],
        srcset=", ".join(f"{url} {variants[name].width}w" for name, url in offered.items()),
        sizes=shown_sizes(thumb),
        ratio_class=ratio_class(thumb),
        full=full,
        full_url=sign(full),
    )


def _taken(image: Image) -> str:
    """By the camera's own clock."""
    if image.taken_at_local is None:
        return ""
    return date_format(image.taken_at_local, pgettext("date format", "j F Y H:i"))
