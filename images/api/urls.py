from __future__ import annotations

from django.urls import path

from images.api import image_list, images, uploads

urlpatterns = [
    path("uploads/", uploads.UploadList.as_view(), name="upload-list"),
    path("uploads/<uuid:upload_id>/", uploads.UploadDetail.as_view(), name="upload-detail"),
    path("uploads/<uuid:upload_id>/sign/", uploads.UploadSign.as_view(), name="upload-sign"),
    path("uploads/<uuid:upload_id>/parts/", uploads.UploadParts.as_view(), name="upload-parts"),
    path(
        "uploads/<uuid:upload_id>/complete/",
        uploads.UploadComplete.as_view(),
        name="upload-complete",
    ),
    path("images/", image_list.ImageList.as_view(), name="image-list"),
    path("images/<uuid:image_id>/", images.ImageDetail.as_view(), name="image-detail"),
    path(
        "images/<uuid:image_id>/variants/<slug:name>/",
        images.ImageVariant.as_view(),
        name="image-variant",
    ),
]
