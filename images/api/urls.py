from __future__ import annotations

from django.urls import path

from bandpics.api.base import Router
from images.api import archives, clocks, groups, images, presets, stats, transforms, uploads
from images.storage_events import webhook

router = Router()
# First: addresses are tried in this order, and most requests are for these.
router.register("uploads", uploads.UploadViewSet, basename="upload")
router.register("images", images.ImageViewSet, basename="image")
router.register("groups", groups.GroupViewSet, basename="group")
router.register("groups/<uuid:group_id>/archives", archives.ArchiveViewSet, basename="archive")
router.register(
    "groups/<uuid:group_id>/clock-corrections",
    clocks.ClockCorrectionViewSet,
    basename="clock-correction",
)
router.register("groups/<uuid:group_id>/presets", presets.PresetViewSet, basename="preset")
router.register(
    "images/<uuid:image_id>/transforms", transforms.TransformViewSet, basename="transform"
)

urlpatterns = [
    *router.urls,
    path("storage-events/", webhook.StorageEvents.as_view(), name="storage-events"),
    path("stats/", stats.StatsViewSet.as_view({"get": "retrieve"}), name="stats"),
]
