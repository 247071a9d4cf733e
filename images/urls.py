from __future__ import annotations

from django.urls import include, path

from images.views import (
    add_photos,
    cards,
    close_group,
    download,
    gallery,
    group_settings,
    home,
    link_urls,
    look,
    moderation,
    new_group,
    news,
    removal,
    sharing,
    short_address,
    subscription,
    trash,
    wall,
    walls,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("", include("images.guest_urls")),
    path("groups/new/", new_group.new_group, name="new-group"),
    path("groups/<uuid:group_id>/", gallery.group_gallery, name="group-gallery"),
    path("groups/<uuid:group_id>/visited/", gallery.visited, name="group-visited"),
    path("groups/<uuid:group_id>/news/", news.group_news, name="group-news"),
    path("groups/<uuid:group_id>/share/", sharing.share, name="group-share"),
    path("groups/<uuid:group_id>/mails/", subscription.subscription, name="group-subscription"),
    path("groups/<uuid:group_id>/add/", add_photos.add_photos, name="add-photos"),
    *link_urls.urlpatterns,
    path("groups/<uuid:group_id>/cards/", cards.cards, name="group-cards"),
    path(
        "groups/<uuid:group_id>/short-address/", short_address.short_address, name="short-address"
    ),
    path(
        "groups/<uuid:group_id>/short-address/check/", short_address.check_word, name="check-word"
    ),
    path("groups/<uuid:group_id>/download/", download.download, name="group-download"),
    path(
        "groups/<uuid:group_id>/download/<uuid:archive_id>/",
        download.download_file,
        name="group-download-file",
    ),
    path("groups/<uuid:group_id>/settings/", group_settings.group_settings, name="group-settings"),
    path("groups/<uuid:group_id>/close/", close_group.close_group, name="close-group"),
    path("groups/<uuid:group_id>/delete/", group_settings.delete_group, name="delete-group"),
    path("groups/<uuid:group_id>/logo.png", look.group_logo, name="group-logo"),
    path("groups/<uuid:group_id>/cover/", look.choose_cover, name="choose-cover"),
    path("groups/<uuid:group_id>/restore/", home.restore_group, name="restore-group"),
    path("look/<str:colour>.css", look.stylesheet, name="look"),
    path("groups/<uuid:group_id>/moderation/", moderation.moderation, name="moderation"),
    path(
        "groups/<uuid:group_id>/removals/<uuid:request_id>/",
        moderation.decide_takedown,
        name="decide-takedown",
    ),
    path("groups/<uuid:group_id>/trash/", trash.trash_page, name="trash"),
    path("groups/<uuid:group_id>/remove-photos/", trash.remove_photos, name="remove-photos"),
    path("groups/<uuid:group_id>/restore-photos/", trash.restore_photos, name="restore-photos"),
    path("groups/<uuid:group_id>/purge/", trash.purge_group, name="purge-group"),
    path("groups/<uuid:group_id>/walls/", walls.group_walls, name="group-walls"),
    path("groups/<uuid:group_id>/walls/<uuid:wall_id>/", walls.change_wall, name="change-wall"),
    path("w/<str:wall_token>/", wall.WallPage.as_view(), name="wall"),
    path("w/<str:wall_token>/photos/", wall.WallPhotos.as_view(), name="wall-photos"),
    path("w/<str:wall_token>/shown/", wall.WallShown.as_view(), name="wall-shown"),
    path("images/<uuid:image_id>/", gallery.photo, name="photo"),
    path("images/<uuid:image_id>/removal/", removal.photo_removal, name="photo-removal"),
]
