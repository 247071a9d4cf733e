"""Template tags and filters that show photos and their EXIF."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django import template
from django.utils.formats import date_format, number_format
from django.utils.text import Truncator
from django.utils.translation import gettext as _
from django.utils.translation import pgettext

from images.listing.event_time import days_of
from images.photofile.metadata import capture_time
from images.photofile.placeholder import data_uri
from images.storage.objects import photo_storage

if TYPE_CHECKING:
    from collections.abc import Iterable

    from images.listing.clusters import Cluster
    from images.listing.event_time import Day
    from images.models import Image, Variant

register = template.Library()

LONGEST_ALT = 250  # letters; a screen reader reads all of it out
NBSP = "\N{NO-BREAK SPACE}"


@register.filter
def signed_url(variant: Variant) -> str:
    """Returns the signed address of a variant. It stays the same for a whole hour, so that browsers
    cache it."""
    return photo_storage().presign_get(
        variant.key, content_type=variant.content_type, until=variant.signed_until
    )


@register.filter
def srcset(image: Image, names: str) -> str:
    """Returns `srcset` of the named sizes that there are, each with its true width."""
    rows = [image.variant_by_name.get(name) for name in names.split()]
    return ", ".join(f"{signed_url(row)} {row.width}w" for row in rows if row)


@register.filter
def ratio_class(variant: Variant) -> str:
    """The class of gallery.css that gives the photo its width before it has loaded."""
    hundredths = 5 * round(20 * variant.width / variant.height)
    return f"ratio-{min(300, max(40, hundredths))}"


@register.filter
def shown_sizes(variant: Variant) -> str:
    """Returns `sizes`: the width a photo gets in the gallery's rows, which its ratio decides."""
    ratio = variant.width / variant.height
    return f"(min-width: 40rem) {14 * ratio:.1f}rem, {8 * ratio:.1f}rem"


@register.filter
def placeholder(image: Image) -> str:
    """Returns the address of the picture of a few bytes that is shown until the photo has loaded:
    a `data:` address, or nothing where there is none."""
    return data_uri(image.placeholder)


@register.filter
def by_day(photos: Iterable[Image]) -> list[Day]:
    """The days on which photos that follow each other were taken (or sent), with their hours."""
    return days_of(photos)


@register.filter
def in_words(image: Image) -> str:
    """Returns the alternative text: a person's words, or else a model's, or else `Photo by Cleo,
    21 June 2026 21:30`."""
    said = image.caption.strip() or image.description.strip() or image.generated_text
    if said:
        return Truncator(" ".join(said.split())).chars(LONGEST_ALT)
    name, moment = image.uploader_name, ""
    if image.taken_at_local is not None:
        format_ = pgettext("date format", "j F Y H:i")
        moment = date_format(image.taken_at_local, format_)
    if name and moment:
        return _("Photo by {name}, {moment}").format(name=name, moment=moment)
    if name:
        return _("Photo by {name}").format(name=name)
    return _("Photo, {moment}").format(moment=moment) if moment else _("Photo")


@register.filter
def utc_offset(image: Image) -> str:
    """`UTC+02:00`, or nothing where the camera did not say."""
    offset = capture_time.offset_text(image.utc_offset_minutes)
    return f"UTC{offset}" if offset else ""


@register.filter
def exposure(seconds: float) -> str:
    """`1/125 s`, as photographers write it; `2.5 s` from a third of a second up."""
    if 0 < seconds < 0.3:
        return f"1/{round(1 / seconds)}{NBSP}s"
    return f"{short(seconds)}{NBSP}s"


@register.filter
def camera(image: Image) -> str:
    """Make and model; many models repeat their make."""
    make, model = image.camera_make.strip(), image.camera_model.strip()
    return model if model.lower().startswith(make.lower()) else f"{make} {model}".strip()


@register.filter
def coordinates(image: Image | Cluster, decimals: int = 5) -> str:
    """`52.37000° N, 4.89000° E`: five decimals are about a metre."""
    if image.latitude is None or image.longitude is None:
        return ""
    north = "N" if image.latitude >= 0 else "S"
    east = "E" if image.longitude >= 0 else "W"
    lat, lon = (f"{abs(each):.{decimals}f}" for each in (image.latitude, image.longitude))
    return f"{lat}°{NBSP}{north}, {lon}°{NBSP}{east}"


@register.filter
def short(number: float) -> str:
    """At most one decimal, none if it is zero: `35`, `4.2`."""
    rounded = round(number, 1)
    return str(number_format(int(rounded) if rounded == int(rounded) else rounded))


@register.filter
def format_name(image: Image) -> str:
    """`JPEG`, from what the bytes were, not from the file name."""
    return image.content_type.partition("/")[2].upper()
