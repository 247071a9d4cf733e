from __future__ import annotations

from django.urls import path

from bandpics.api.base import Router
from images.api import groups, image_collection, images, stats, uploads
from images.storage_events import webhook

router = Router()
router.register("groups", groups.GroupViewSet, basename="group")

urlpatterns = [
    *router.urls,
    path("uploads/", uploads.UploadList.as_view(), name="upload-list"),
    path("uploads/<uuid:upload_id>/", uploads.UploadDetail.as_view(), name="upload-detail"),
    path("uploads/<uuid:upload_id>/sign/", uploads.UploadSign.as_view(), name="upload-sign"),
    path("uploads/<uuid:upload_id>/parts/", uploads.UploadParts.as_view(), name="upload-parts"),
    path(
        "uploads/<uuid:upload_id>/complete/",
        uploads.UploadComplete.as_view(),
        name="upload-complete",
    ),
    path("images/", image_collection.Images.as_view(), name="image-list"),
    path("images/<uuid:image_id>/", images.ImageDetail.as_view(), name="image-detail"),
    path("images/<uuid:image_id>/file/", image_collection.ImageFile.as_view(), name="image-file"),
    path("images/<uuid:image_id>/location/", images.ImageLocation.as_view(), name="image-location"),
    path("images/<uuid:image_id>/restore/", images.ImageRestore.as_view(), name="image-restore"),
    path("images/<uuid:image_id>/retry/", images.ImageRetry.as_view(), name="image-retry"),
    path("images/<uuid:image_id>/moderate/", images.ImageModerate.as_view(), name="image-moderate"),
    path(
        "images/<uuid:image_id>/variants/<slug:name>/",
        images.ImageVariant.as_view(),
        name="image-variant",
    ),
    path("storage-events/", webhook.StorageEvents.as_view(), name="storage-events"),
    path("stats/", stats.StatsView.as_view(), name="stats"),
]
