"""Serializers whose fields are made once: no request sees what another did to its own."""

from __future__ import annotations

import pytest
from django.http import QueryDict
from rest_framework.test import APIRequestFactory

from images.api.announcement_serializers import AnnouncementSerializer, NewFileSerializer
from images.api.upload_serializers import OwnPhotoSerializer, UploadSerializer

FILE = {"filename": "a.jpg", "content_type": "image/jpeg", "size": 10}
ALL = [AnnouncementSerializer, NewFileSerializer, OwnPhotoSerializer, UploadSerializer]


def test_each_serializer_has_its_own_fields():
    for kind in ALL:
        first, second = kind(), kind()
        assert first.fields.keys() == second.fields.keys() == kind().get_fields().keys()
        for name, field in first.fields.items():
            other = second.fields[name]
            assert type(field) is type(other)
            assert field is not other, (kind, name)
            assert (field.parent, other.parent) == (first, second), (kind, name)
            assert field.field_name == other.field_name == name


def test_files_of_an_announcement_are_of_its_own_request():
    first = AnnouncementSerializer(data={"files": [FILE]}, context={"request": "one"})
    second = AnnouncementSerializer(data={"files": [FILE]}, context={"request": "two"})
    for serializer, said in ((first, "one"), (second, "two")):
        child = serializer.fields["files"].child
        assert child.root is serializer
        assert child.context["request"] == said
        assert child.fields["filename"].context["request"] == said


@pytest.mark.django_db
def test_a_form_leaves_the_next_json_as_it_is():
    request = APIRequestFactory().post("/")
    form = QueryDict("uploader_name=&licence=&files[0]filename=a.jpg&files[0]size=10")
    filled = AnnouncementSerializer(data=form, context={"request": request})
    filled.is_valid()
    said = AnnouncementSerializer(data={"files": [{**FILE, "location": None}]})
    assert said.is_valid(), said.errors
    (file,) = said.validated_data["files"]
    assert file == {**FILE, "sha256": "", "description": "", "location": None}
    wrong = AnnouncementSerializer(data={"files": [{**FILE, "size": 0, "hash": "x"}]})
    assert not wrong.is_valid()
    assert wrong.errors["files"][0].keys() == {"size", "hash"}
    assert AnnouncementSerializer(data={"files": [FILE]}).is_valid()
