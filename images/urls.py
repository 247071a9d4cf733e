from __future__ import annotations

from django.urls import path

from images import group_pages, upload_pages, views

urlpatterns = [
    path("", views.home, name="home"),
    path("i/<str:token>/", upload_pages.upload_page, name="upload-page"),
    path("groups/new/", group_pages.new_group, name="new-group"),
    path("groups/<uuid:group_id>/", views.group_gallery, name="group-gallery"),
    path("images/<uuid:image_id>/", views.photo, name="photo"),
]
