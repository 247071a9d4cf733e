"""Photos, the uploads that bring them, the sizes of each, and what is left of deleted ones."""

from images.models.archive import Archive, ArchiveEntry, ArchiveOrder
from images.models.clock_correction import ClockCorrection
from images.models.closing_archive import ClosingArchive
from images.models.deletion import PendingDeletion, Tombstone
from images.models.generated_caption import CaptionUsage, GeneratedCaption
from images.models.group_numbers import GroupNumbers
from images.models.image import ONCE_PER_GROUP, Image, ImageQuerySet
from images.models.image_indexes import BEFORE_ALL_TIME, EVERY_PHOTO, HashBands
from images.models.photo_change import PhotoChange
from images.models.photo_count import PhotoCount
from images.models.takedown import TakedownRequest
from images.models.transform import Transform, TransformPreset
from images.models.upload import KEEP_BYTES, NOT_FINAL, UNDER_WAY, Upload, UploadQuerySet, is_final
from images.models.uploader import (
    NAMED_BY_ADDRESS,
    NOBODYS,
    RECOVERED,
    UPLOADER_COLUMNS,
    UploaderKey,
    UploaderKind,
)
from images.models.variant import Variant
from images.models.wall import Wall

__all__ = [
    "BEFORE_ALL_TIME",
    "EVERY_PHOTO",
    "KEEP_BYTES",
    "NAMED_BY_ADDRESS",
    "NOBODYS",
    "NOT_FINAL",
    "ONCE_PER_GROUP",
    "RECOVERED",
    "UNDER_WAY",
    "UPLOADER_COLUMNS",
    "Archive",
    "ArchiveEntry",
    "ArchiveOrder",
    "CaptionUsage",
    "ClockCorrection",
    "ClosingArchive",
    "GeneratedCaption",
    "GroupNumbers",
    "HashBands",
    "Image",
    "ImageQuerySet",
    "PendingDeletion",
    "PhotoChange",
    "PhotoCount",
    "TakedownRequest",
    "Tombstone",
    "Transform",
    "TransformPreset",
    "Upload",
    "UploadQuerySet",
    "UploaderKey",
    "UploaderKind",
    "Variant",
    "Wall",
    "is_final",
]
