"""Photos: what the current version of each shows and says."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from uuid import UUID

from django.conf import settings
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Exists, F, OuterRef, Prefetch, Q, Subquery
from django.utils import timezone

from bandpics.ids import new_id
from bandpics.lookups import RowLookup
from groups.models import Group, Licence
from images.models import image_indexes, search_vector
from images.models.generated_caption import MAX_LETTERS
from images.models.upload import Upload
from images.models.uploader import UPLOADER_IS_WHOLE, HasUploader
from images.models.variant import Variant
from images.storage import object_keys
from invitations.models import Invitation

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from images.models.uploader import UploaderKey


ONCE_PER_GROUP = "image_bytes_once_per_group"  # what an IntegrityError names


class ImageQuerySet(models.QuerySet["Image"]):
    def in_group(self, group: Group) -> Self:
        return self.filter(group=group)

    def sent_by(self, uploader: UploaderKey) -> Self:
        return self.filter(uploader.condition())

    def ready(self) -> Self:
        """Photos that have a finished version to show."""
        return self.filter(version__gt=0, trashed_at=None)

    def waiting_for_approval(self) -> Self:
        """Photos that guests do not see before a host decides."""
        return self.ready().filter(moderation=Image.Moderation.PENDING)

    def for_walls(self) -> Self:
        """Photos that walls of their group may show: those that are ready and approved."""
        return self.ready().filter(moderation=Image.Moderation.APPROVED)

    def kept(self) -> Self:
        """Leaves out photos in the trash."""
        return self.filter(trashed_at=None)

    def in_kept_groups(self) -> Self:
        """Leaves out photos whose group is in the trash. It joins, so use it for reading only."""
        return self.filter(group__trashed_at=None)

    def trashed(self) -> Self:
        return self.filter(trashed_at__isnull=False)

    def with_status(self) -> Self:
        """Adds `status` and `failure` of each photo's newest upload."""
        newest = Upload.objects.shown().filter(image=OuterRef("pk")).order_by("-version")
        return self.annotate(
            status=Subquery(newest.values("status")[:1]),
            failure=Subquery(newest.values("failure")[:1]),
            processing_ms=Subquery(newest.values("processing_ms")[:1]),
            processed_at=Subquery(newest.values("finished_at")[:1]),
        )

    def in_state(self, states: Iterable[str]) -> Self:
        """Photos whose newest upload is in one of these states."""
        shown = Upload.objects.shown()
        newer = shown.filter(image=OuterRef("image"), version__gt=OuterRef("version"))
        newest = shown.filter(~Exists(newer), image=OuterRef("pk"))
        return self.filter(Exists(newest.filter(status__in=states)))

    def changed_since(self, moment: datetime) -> Self:
        """Photos that were edited, or whose upload arrived or ended, from then on."""
        moved = Upload.objects.moved_since(moment).filter(image=OuterRef("pk"))
        return self.filter(Q(updated_at__gte=moment) | Exists(moved))

    def with_variants(self) -> Self:
        """Fetches the variants of each photo's current version along with it."""
        current = Variant.objects.filter(version=F("image__version"))
        return self.prefetch_related(Prefetch("variants", current, to_attr="current_variants"))

    def newest_first(self) -> Self:
        return self.order_by("-sort_at", "-id")

    def older_than(self, image: Image) -> Self:
        """Returns the photos that follow this one in the gallery, nearest first."""
        after = Q(sort_at__lt=image.sort_at) | Q(sort_at=image.sort_at, id__lt=image.pk)
        return self.filter(after).order_by("-sort_at", "-id")

    def newer_than(self, image: Image) -> Self:
        """Returns the photos that precede this one in the gallery, nearest first."""
        before = Q(sort_at__gt=image.sort_at) | Q(sort_at=image.sort_at, id__gt=image.pk)
        return self.filter(before).order_by("sort_at", "id")


class Image(HasUploader):
    """One photo: what its current finished version shows and says.

    `version` is 0 until the first upload is DONE, then the number of the upload whose bytes,
    variants and metadata these columns describe.
    """

    class GpsSource(models.TextChoices):
        EXIF = "exif", "From the photo"
        PERSON = "person", "Set by a person"
        REMOVED = "removed", "Forgotten on request"

    class TimeSource(models.TextChoices):
        EXIF = "exif", "From the photo"
        PERSON = "person", "Set by a person"

    class Moderation(models.TextChoices):
        PENDING = "pending", "Waiting for approval"
        APPROVED = "approved", "Approved"
        REJECTED = "rejected", "Rejected"

    id = models.UUIDField(primary_key=True, default=new_id, editable=False)
    group = models.ForeignKey(Group, on_delete=models.CASCADE, related_name="images")
    invitation = models.ForeignKey(
        Invitation, null=True, blank=True, on_delete=models.SET_NULL, related_name="images"
    )
    uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        on_delete=models.SET_NULL,
        related_name="images",
    )
    uploader_name = models.CharField(max_length=120, blank=True)
    version = models.PositiveIntegerField(default=0, editable=False)

    original_filename = models.CharField(max_length=255)
    content_type = models.CharField(max_length=40, blank=True)
    byte_size = models.PositiveBigIntegerField(null=True, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    width = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, upright.")
    height = models.PositiveIntegerField(null=True, blank=True, help_text="Pixels, upright.")

    # When: local time and offset as the camera wrote them, UTC where the offset is known.
    taken_at_local = models.DateTimeField(null=True, blank=True)
    utc_offset_minutes = models.SmallIntegerField(null=True, blank=True)
    taken_at = models.DateTimeField(null=True, blank=True)
    # A person's date or place is never overwritten by reading the file again.
    taken_source = models.CharField(max_length=10, choices=TimeSource.choices, blank=True)
    sort_at = models.DateTimeField(default=timezone.now, help_text="Taken, or else uploaded.")

    # Where: WGS 84 degrees, metres above sea level, degrees clockwise from north.
    latitude = models.FloatField(null=True, blank=True)
    longitude = models.FloatField(null=True, blank=True)
    altitude = models.FloatField(null=True, blank=True)
    direction = models.FloatField(null=True, blank=True)
    gps_at = models.DateTimeField(null=True, blank=True)
    gps_source = models.CharField(max_length=10, choices=GpsSource.choices, blank=True)
    # Stays, whatever a person says of the place later: no file brings its own position back.
    place_forgotten_at = models.DateTimeField(null=True, blank=True, editable=False)

    # How: EXIF 2.32 values and codes as the camera wrote them.
    camera_make = models.CharField(max_length=200, blank=True)
    camera_model = models.CharField(max_length=200, blank=True)
    lens_model = models.CharField(max_length=200, blank=True)
    software = models.CharField(max_length=200, blank=True)
    iso = models.PositiveIntegerField(null=True, blank=True)
    focal_length = models.FloatField(null=True, blank=True, help_text="Millimetres.")
    aperture = models.FloatField(null=True, blank=True, help_text="F-number.")
    exposure_time = models.FloatField(null=True, blank=True, help_text="Seconds.")
    flash = models.PositiveIntegerField(null=True, blank=True)
    metering_mode = models.PositiveIntegerField(null=True, blank=True)
    exposure_program = models.PositiveIntegerField(null=True, blank=True)
    white_balance = models.PositiveIntegerField(null=True, blank=True)
    saturation = models.PositiveIntegerField(null=True, blank=True)
    sharpness = models.PositiveIntegerField(null=True, blank=True)
    contrast = models.PositiveIntegerField(null=True, blank=True)
    orientation = models.PositiveSmallIntegerField(null=True, blank=True)
    x_resolution = models.FloatField(null=True, blank=True)
    y_resolution = models.FloatField(null=True, blank=True)
    exif_version = models.CharField(max_length=10, blank=True)
    exif = models.JSONField(default=dict, blank=True, help_text="All tags as read, cleaned.")

    # Of the pixels: made by the worker from a small variant.
    placeholder = models.BinaryField(
        default=b"",
        blank=True,
        max_length=300,
        help_text="A picture of a few bytes: see rendering.",
    )
    perceptual_hash = models.BigIntegerField(
        null=True, blank=True, editable=False, help_text="64 bits; near in bits means alike."
    )
    focus = models.FloatField(
        null=True, blank=True, editable=False, help_text="Variance of the Laplacian: sharpness."
    )
    stack_id = models.UUIDField(
        null=True, blank=True, editable=False, help_text="The same for photos that look alike."
    )
    # A trigger sets it: see images/lifecycle/stacks.py.
    stack_due = models.BooleanField(
        default=False, editable=False, help_text="To be compared with the others of its group."
    )
    stands_alone = models.BooleanField(
        default=False, editable=False, help_text="A host said that it is not like the others."
    )
    first_on_wall_at = models.DateTimeField(null=True, blank=True, editable=False)
    clock_shift_minutes = models.IntegerField(
        default=0, editable=False, help_text="Already added to when it was taken."
    )

    description = models.TextField(blank=True, max_length=4000)
    caption = models.TextField(blank=True, max_length=2000, help_text="The uploader's own words.")
    # Triggers keep both: see images/models/generated_caption.py.
    generated_text = models.CharField(
        max_length=MAX_LETTERS,
        blank=True,
        editable=False,
        help_text="The text of its generated caption, unless a host has hidden it.",
    )
    caption_due = models.BooleanField(
        default=True, editable=False, help_text="This version has no generated caption yet."
    )
    moderation = models.CharField(
        max_length=10, choices=Moderation.choices, default=Moderation.APPROVED
    )
    moderation_reason = models.CharField(max_length=500, blank=True)
    moderated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
    )
    moderated_at = models.DateTimeField(null=True, blank=True, editable=False)
    licence = models.ForeignKey(
        Licence,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.PROTECT,
        related_name="images",
        help_text="The sentence to which the uploader agreed.",
    )
    licence_agreed_at = models.DateTimeField(null=True, blank=True, editable=False)
    original_dropped_at = models.DateTimeField(
        null=True, blank=True, help_text="The original is gone; the variants stay."
    )
    original_lost_at = models.DateTimeField(
        null=True,
        blank=True,
        editable=False,
        help_text="Nobody dropped it: the store did not have it any more.",
    )
    trashed_at = models.DateTimeField(null=True, blank=True)
    trashed_by = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="Empty: a guest, or somebody who asked for its removal.",
    )
    # They undo their own deletion, not a host's.
    trashed_by_uploader = models.BooleanField(default=False, editable=False)
    last_checked_at = models.DateTimeField(
        null=True, blank=True, editable=False, help_text="By the sweeper, and the store refused."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    # Stored: to make it anew for each row that a search looks at would take most of its time.
    search_vector = models.GeneratedField(
        expression=search_vector.search_vector(), output_field=SearchVectorField(), db_persist=True
    )

    if TYPE_CHECKING:  # there after with_status()
        status: str
        failure: str
        processing_ms: int | None
        processed_at: datetime | None
        # there after images.listing.event_time.set_shown_at()
        shown_at: datetime

    objects = ImageQuerySet.as_manager()

    class Meta:
        indexes = image_indexes.INDEXES
        constraints = [
            UPLOADER_IS_WHOLE,
            models.UniqueConstraint(
                fields=["group", "sha256"],
                condition=Q(version__gt=0, trashed_at=None),
                name=ONCE_PER_GROUP,
            ),
            models.CheckConstraint(
                condition=Q(version=0)
                | (
                    Q(width__isnull=False, height__isnull=False, byte_size__isnull=False)
                    & Q(width__gt=0, height__gt=0, byte_size__gt=0)
                    & ~Q(sha256="")
                    & ~Q(content_type="")
                ),
                name="image_is_whole_once_done",
            ),
            models.CheckConstraint(
                condition=Q(latitude__isnull=True, longitude__isnull=True)
                | Q(
                    # Not null, said aloud: a check that comes out NULL counts as kept.
                    latitude__isnull=False,
                    longitude__isnull=False,
                    latitude__range=(-90, 90),
                    longitude__range=(-180, 180),
                ),
                name="image_place_is_whole_and_on_earth",
            ),
            models.CheckConstraint(
                condition=Q(licence=None, licence_agreed_at=None)
                | Q(licence__isnull=False, licence_agreed_at__isnull=False),
                name="image_licence_has_a_time",
            ),
            models.CheckConstraint(
                condition=Q(orientation__isnull=True) | Q(orientation__range=(1, 8)),
                name="image_orientation_is_1_to_8",
            ),
        ]

    def __str__(self) -> str:
        return self.original_filename

    @property
    def original_key(self) -> str:
        """The key of the original of the current version."""
        return self.version_keys(self.version).original(content_type=self.content_type)

    def version_keys(self, number: int) -> object_keys.Version:
        return object_keys.Version(self.group_id, self.pk, number)

    @property
    def is_original_lost(self) -> bool:
        """Whether the store lost the original. A later original that was dropped does not count."""
        lost_at = self.original_lost_at
        return lost_at is not None and lost_at == self.original_dropped_at

    @property
    def is_known_from_wall(self) -> bool:
        """Whether a wall has shown it, and nobody has taken it away since."""
        is_approved = self.moderation == self.Moderation.APPROVED
        return is_approved and self.first_on_wall_at is not None and self.trashed_at is None

    @property
    def is_place_removed(self) -> bool:
        """On request; reading the file again must not bring it back."""
        return self.place_forgotten_at is not None

    @property
    def variant_by_name(self) -> dict[str, Variant]:
        """Needs with_variants(); without it, one query."""
        rows: list[Variant] | None = getattr(self, "current_variants", None)
        if rows is None:
            rows = _VARIANTS.all(image_id=self.pk, version=self.version)
        return {row.name: row for row in rows}


_VARIANTS = RowLookup(
    lambda image_id, version: Variant.objects.filter(image=image_id, version=version),
    image_id=UUID(int=1_618_033_988),
    version=1_618_033_988,
)
