from __future__ import annotations

from django.urls import path

from images import api

urlpatterns = [
    path("uploads/", api.UploadList.as_view(), name="upload-list"),
    path("uploads/<uuid:upload_id>/", api.UploadDetail.as_view(), name="upload-detail"),
    path("uploads/<uuid:upload_id>/sign/", api.UploadSign.as_view(), name="upload-sign"),
    path("uploads/<uuid:upload_id>/parts/", api.UploadParts.as_view(), name="upload-parts"),
    path(
        "uploads/<uuid:upload_id>/complete/", api.UploadComplete.as_view(), name="upload-complete"
    ),
    path("images/", api.ImageList.as_view(), name="image-list"),
    path("images/<uuid:image_id>/", api.ImageDetail.as_view(), name="image-detail"),
    path(
        "images/<uuid:image_id>/variants/<slug:name>/",
        api.ImageVariant.as_view(),
        name="image-variant",
    ),
]
