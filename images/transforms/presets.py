"""Presets of a group, and what a spec must be before it is rendered."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING
from uuid import UUID

from django.db import transaction
from django.utils.translation import gettext_noop

from groups.models import Group
from images.models import Image, TransformPreset
from images.photofile.transforms import capabilities
from images.photofile.transforms.spec import Spec, SpecError

if TYPE_CHECKING:
    from django.db.models import QuerySet

    from images.access import GuestAccess, MemberAccess

PRESETS_AT_MOST = 50


class NameTaken(Exception):
    """The group has another preset of this name."""


class TooMany(Exception):
    """The group has as many presets as a group may have."""


def of_group(group_id: UUID, access: MemberAccess | GuestAccess) -> QuerySet[TransformPreset]:
    """Returns the presets that they may use."""
    rows = TransformPreset.objects.filter(group=group_id)
    return rows.filter(is_for_guests=True) if access.is_guest else rows


def make(group: Group, name: str, spec: Spec, *, is_for_guests: bool) -> TransformPreset:
    """Makes a preset. Safe to call twice. Raises NameTaken, TooMany, SpecError."""
    placed(spec, group.pk)
    capabilities.check(spec)
    if spec.watermark is not None:
        # It follows its photo: the version is that of the moment when it is used.
        spec = replace(spec, watermark=replace(spec.watermark, version=0))
    wanted = {"spec": spec.canonical(), "is_for_guests": is_for_guests}
    with transaction.atomic():
        Group.objects.select_for_update(no_key=True).filter(pk=group.pk).first()
        rows = TransformPreset.objects.filter(group=group)
        found = rows.filter(name=name).first()
        if found is None:
            if rows.count() >= PRESETS_AT_MOST:
                raise TooMany
            return rows.create(group=group, name=name, **wanted)
    if (found.spec, found.is_for_guests) != tuple(wanted.values()):
        raise NameTaken
    return found


def placed(spec: Spec, group_id: UUID) -> Spec:
    """Returns the spec with the version that its watermark shows now. Raises SpecError where that
    is no photo of the group."""
    if spec.watermark is None or not spec.watermark.image:
        return spec
    photos = Image.objects.ready().filter(pk=watermark_id(spec), group=group_id)
    version = photos.values_list("version", flat=True).first()
    if version is None:
        raise SpecError("watermark.image", gettext_noop("This group shows no such photo."))
    return replace(spec, watermark=replace(spec.watermark, version=version))


def check(spec: Spec, image: Image) -> None:
    """Raises SpecError for what cannot be made of this photo, or not here."""
    spec.output_size((image.width or 0, image.height or 0))
    capabilities.check(spec)


def guest_hashes(group_id: UUID) -> set[str]:
    """Returns the hashes of what guests of the group may ask for now."""
    found = set()
    for preset in TransformPreset.objects.filter(group=group_id, is_for_guests=True):
        try:
            found.add(placed(Spec.from_canonical(preset.spec), group_id).hash)
        except SpecError:
            continue  # its watermark has left the group
    return found


def watermark_id(spec: Spec) -> UUID:
    """Returns the id of the photo that is the watermark."""
    assert spec.watermark is not None  # noqa: S101 - for the type checker
    return UUID(spec.watermark.image)
