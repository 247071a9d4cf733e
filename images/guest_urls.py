"""The pages of guests, below a link and below its short address."""

from __future__ import annotations

from django.urls import path

from images.views import (
    guest_gallery,
    guest_link,
    guest_photo,
    guest_zip,
    look,
    place,
    removal,
    upload,
)

PAGES = [
    ("", upload.upload_page, "upload-page"),
    ("opened/", guest_link.opened, "link-opened"),
    ("no-photos/", guest_link.no_photos, "no-photos"),
    ("picture/", guest_link.link_picture, "link-picture"),
    ("logo.png", look.guest_logo, "guest-logo"),
    ("photos/", guest_gallery.guest_gallery, "guest-gallery"),
    ("photos/own/", guest_gallery.own_part, "guest-own-photos"),
    ("photos/news/", guest_gallery.gallery_news, "guest-news"),
    ("photos/newest/", guest_gallery.newest_part, "guest-newest-photos"),
    ("photos/zip/", guest_zip.guest_zip, "guest-zip"),
    ("photos/zip/<uuid:archive_id>/", guest_zip.guest_zip_file, "guest-zip-file"),
    ("photos/<uuid:image_id>/", guest_photo.guest_photo, "guest-photo"),
    ("photos/<uuid:image_id>/file/", guest_photo.guest_file, "guest-file"),
    ("photos/<uuid:image_id>/place/", place.place_page, "place-page"),
    ("photos/<uuid:image_id>/removal/", removal.removal_page, "removal-page"),
]

urlpatterns = [
    path("j/", guest_link.find_word, name="find-word"),
    path("j/<str:word>/pin/", guest_link.try_pin, name="short-pin"),
    *[path(f"i/<str:token>/{rest}", view, name=name) for rest, view, name in PAGES],
    *[path(f"j/<str:word>/{rest}", view, name=f"short-{name}") for rest, view, name in PAGES],
]
