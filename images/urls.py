from __future__ import annotations

from django.urls import path

from images import group_pages, place_pages, upload_pages, views

urlpatterns = [
    path("", views.home, name="home"),
    path("i/<str:token>/", upload_pages.upload_page, name="upload-page"),
    path("i/<str:token>/photos/<uuid:image_id>/place/", place_pages.place_page, name="place-page"),
    path("groups/new/", group_pages.new_group, name="new-group"),
    path("groups/<uuid:group_id>/", views.group_gallery, name="group-gallery"),
    path("groups/<uuid:group_id>/restore/", views.restore_group, name="restore-group"),
    path("images/<uuid:image_id>/", views.photo, name="photo"),
]
