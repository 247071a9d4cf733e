"""The indexes of the table of photos."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from uuid import UUID

from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Func, Q, Value
from django.db.models.functions import Coalesce, Upper

from images.models import search_vector
from images.models.uploader import UPLOADER_COLUMNS

# Where photos without a date stand in the order by date, latest first.
BEFORE_ALL_TIME = datetime(1, 1, 1, tzinfo=UTC)
KEPT = Q(trashed_at=None)
# True of every photo. Who says so is given the indexes of all photos. Others are not: of one group
# Postgres may guess wrong how many of all photos it would have to pass over.
EVERY_PHOTO = Q(id__gt=UUID(int=0))


class HashBands(Func):
    """Five numbers, each made of a group and a fifth of the bits of a hash: of two hashes in one
    group that differ in four bits at most, one number is the same."""

    function = "images_hash_bands"
    output_field = ArrayField(models.BigIntegerField())


INDEXES: Final[list[models.Index]] = [
    models.Index(fields=UPLOADER_COLUMNS, name="image_uploader"),
    # What a gallery shows is decided by this alone.
    models.Index(
        fields=["group", "-sort_at", "-id"],
        include=["version", "trashed_at", "moderation"],
        name="image_gallery_order",
    ),
    # The photos of one uploader, and of one camera, in the order of the gallery.
    models.Index(
        *(F("group"), Upper("uploader_name"), F("sort_at").desc(), F("id").desc()),
        include=["uploader_name", "version", "trashed_at", "moderation"],
        name="image_of_uploader",
    ),
    models.Index(
        *(F("group"), Upper("camera_model"), F("sort_at").desc(), F("id").desc()),
        name="image_of_camera",
    ),
    models.Index(fields=["group", "-created_at", "-id"], name="image_upload_order"),
    models.Index(fields=["group", "-updated_at", "-id"], name="image_update_order"),
    models.Index(
        F("group"),
        Coalesce("taken_at", Value(BEFORE_ALL_TIME)).desc(),
        F("id").desc(),
        name="image_taken_order",
    ),
    # Photos of all groups, for those who have very many.
    *(
        models.Index(
            fields=[f"-{column}", "-id"], include=["group"], condition=EVERY_PHOTO, name=name
        )
        for column, name in (
            ("sort_at", "image_all_in_order"),
            ("created_at", "image_all_by_upload"),
            ("updated_at", "image_all_by_update"),
        )
    ),
    models.Index(fields=["trashed_at"], condition=Q(trashed_at__isnull=False), name="image_trash"),
    models.Index(
        fields=["group", "-sort_at", "-id"],
        condition=Q(moderation="pending", trashed_at=None, version__gt=0),
        name="image_waiting_for_approval",
    ),
    # In Postgres, NULL comes first downwards: photos that were on no wall yet.
    models.Index(
        fields=["group", "-first_on_wall_at", "-created_at", "-id"],
        condition=Q(moderation="approved", trashed_at=None, version__gt=0),
        name="image_new_to_walls",
    ),
    # Kinds of photos of which a group may have few or none.
    *(
        models.Index(fields=["group", "-sort_at", "-id"], condition=condition & KEPT, name=name)
        for name, condition in (
            ("image_rejected", Q(moderation="rejected", version__gt=0)),
            ("image_with_licence", Q(licence__isnull=False, version__gt=0)),
            ("image_with_place", Q(latitude__isnull=False, version__gt=0)),
            ("image_unfinished", Q(version=0)),
        )
    ),
    models.Index(fields=["stack_id"], condition=Q(stack_id__isnull=False), name="image_stack"),
    models.Index(fields=["id"], condition=Q(stack_due=True), name="image_stack_due"),
    # Photos that a model may caption, once their group wants that.
    models.Index(
        fields=["group", "-id"],
        condition=Q(caption_due=True, version__gt=0, trashed_at=None, place_forgotten_at=None),
        name="image_caption_due",
    ),
    GinIndex(
        HashBands("group", "perceptual_hash"),
        condition=Q(perceptual_hash__isnull=False, trashed_at=None, stands_alone=False),
        name="image_alike",
        fastupdate=False,
    ),
    # Counting reads this alone, not the rows, which are wide.
    models.Index(
        fields=["group"],
        include=[
            *("id", "trashed_at", "version", "byte_size", "original_dropped_at"),
            *("content_type", "camera_make", "camera_model"),
            *("latitude", "longitude", "taken_at", "taken_at_local"),
        ],
        name="image_numbers",
    ),
    # A list of what is yet to be sorted in would be read by every search.
    GinIndex(fields=["search_vector"], name="image_search_vector", fastupdate=False),
    GinIndex(search_vector.words(), name="image_words", fastupdate=False),
]
