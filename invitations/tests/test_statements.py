"""SQL that is made once finds and changes the same rows as a queryset, and refuses wrong keys."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

import pytest
from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import DataError, IntegrityError, transaction
from django.db.models import F
from django.db.models.functions import Now

from bandpics.lookups import Lookup, RowLookup
from bandpics.users.models import User
from bandpics.writes import Update, insert, insertion, unsaved
from groups.models import Group, Team
from groups.tests.factories import GroupFactory, TeamFactory
from invitations.models import Invitation
from invitations.tests.factories import InvitationFactory

pytestmark = pytest.mark.django_db

SOME_ID = UUID(int=1_618_033_988)


def test_a_lookup_finds_all_rows_or_the_first():
    lookup = Lookup(
        lambda pk: Group.objects.filter(pk__gte=pk).order_by("pk").values_list("name"), pk=SOME_ID
    )
    GroupFactory(name="early")
    GroupFactory(name="late")
    assert lookup.all(pk=UUID(int=0)) == [("early",), ("late",)]
    assert lookup.first(pk=UUID(int=0)) == ("early",)
    assert lookup.all(pk=UUID(int=2**128 - 1)) == []
    assert lookup.first(pk=UUID(int=2**128 - 1)) is None


def test_a_row_lookup_returns_what_a_queryset_returns(django_assert_num_queries):
    def rows(pk):
        return Invitation.objects.select_related("group__team").defer("nonce").filter(pk=pk)

    made = InvitationFactory()
    lookup = RowLookup(rows, pk=SOME_ID)
    (plain,) = rows(made.pk)
    for _ in range(2):  # the first makes the SQL
        with django_assert_num_queries(1):
            found = lookup.first(pk=made.pk)
            team = found.group.team
        assert found == plain == made
        assert team == made.group.team
        assert found.get_deferred_fields() == plain.get_deferred_fields() == {"nonce"}
        assert vars(found).keys() == vars(plain).keys()
        assert (found.created_at, found.expires_at) == (plain.created_at, plain.expires_at)
        assert found._state.db == "default"
        assert not found._state.adding
    assert lookup.first(pk=SOME_ID) is None


def test_a_row_lookup_reads_all_columns_and_annotations():
    made = GroupFactory()
    lookup = RowLookup(
        lambda pk: Group.objects.filter(pk=pk).annotate(team_name=F("team__name")), pk=SOME_ID
    )
    found = lookup.first(pk=made.pk)
    assert found.team_name == made.team.name
    plain = Group.objects.get(pk=made.pk)
    for field in Group._meta.concrete_fields:
        assert getattr(found, field.attname) == getattr(plain, field.attname), field


def test_an_example_that_is_no_parameter_is_refused():
    lookup = Lookup(lambda pk: User.objects.filter(pk__gt=0).values_list("pk"), pk=SOME_ID)
    with pytest.raises(AssertionError, match="no parameter"):
        lookup.first(pk=1)
    update = Update(lambda pk: User.objects.all(), lambda pk: {"name": "x"}, pk=SOME_ID)
    with pytest.raises(AssertionError, match="no parameter"):
        update.count(pk=1)


def test_an_update_changes_the_rows_of_its_keys_alone():
    first, second = InvitationFactory(used_files=1), InvitationFactory(used_files=5)
    update = Update(
        lambda pk, least, **_: Invitation.objects.filter(pk=pk, used_files__gte=least),
        lambda files, seen_at, **_: {
            "used_files": F("used_files") + files,
            "last_seen_at": seen_at,
            "declined_at": Now(),
        },
        pk=SOME_ID,
        files=1_618_033,
        least=2_718_281,
        seen_at=datetime(1999, 3, 14, tzinfo=UTC),
    )
    moment = datetime(2026, 6, 21, tzinfo=UTC)
    assert update.count(pk=first.pk, least=2, files=3, seen_at=moment) == 0
    assert update.count(pk=second.pk, least=2, files=3, seen_at=moment) == 1
    assert update.count(pk=second.pk, least=2, files=1, seen_at=None) == 1
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.used_files, first.declined_at) == (1, None)
    assert (second.used_files, second.last_seen_at) == (9, None)
    assert second.declined_at is not None


@pytest.mark.parametrize("model", apps.get_models(), ids=lambda model: model.__name__)
def test_an_unsaved_row_is_as_the_model_makes_it(model):
    made, row = model(), unsaved(model)
    assert row._state.adding
    for field in model._meta.concrete_fields:
        if field.generated:
            assert field.attname not in vars(row)
        elif field.has_default() and callable(field.default):  # a new id, the time
            assert type(getattr(row, field.attname)) is type(getattr(made, field.attname)), field
        else:
            assert getattr(row, field.attname) == getattr(made, field.attname), field


def test_an_unsaved_row_takes_columns_and_related_rows():
    team = Team(name="one")
    group = unsaved(Group, team=team, name="of one")
    assert (group.team, group.team_id, group.name) == (team, team.pk, "of one")
    assert unsaved(Group, team_id=team.pk).team_id == team.pk
    with pytest.raises(FieldDoesNotExist):
        unsaved(Group, title="of one")


def test_rows_of_two_tables_are_inserted_by_one_statement(django_assert_num_queries):
    teams = [Team(name="one"), Team(name="two")]
    groups = [Group(team=team, name=f"of {team.name}", venue="x") for team in teams]
    groups[1].event_date = datetime(2026, 6, 21, tzinfo=UTC).date()
    with django_assert_num_queries(1):
        insert(teams, groups)
    assert not any(row._state.adding for row in [*teams, *groups])
    for group in groups:
        stored = Group.objects.select_related("team").get(pk=group.pk)
        assert stored.team.name == group.team.name
        for field in Group._meta.concrete_fields:
            assert getattr(stored, field.attname) == getattr(group, field.attname), field


def test_defaults_are_no_parameters_unless_a_row_differs():
    team = Team(name="one")
    groups = [
        Group(team=team, name="of one"),
        Group(team=team, name="of one", needs_approval=False),
    ]
    assert not any(value in (True, False, "") for value in insertion(groups[:1]).values)
    assert [value for value in insertion(groups).values if type(value) is bool] == [True, False]
    insert([team], groups)
    assert [Group.objects.get(pk=group.pk).needs_approval for group in groups] == [True, False]


def test_an_insert_that_breaks_a_promise_inserts_nothing():
    team = TeamFactory()
    known = GroupFactory(team=team)
    with pytest.raises(IntegrityError), transaction.atomic():
        insert([Team(name="new")], [Group(pk=known.pk, team=team, name="again")])
    assert not Team.objects.filter(name="new").exists()


def test_rows_that_wait_for_a_change_are_inserted_with_it_or_not_at_all(django_assert_num_queries):
    link = InvitationFactory(max_files=3)
    update = Update(
        lambda pk, files: Invitation.objects.filter(pk=pk, max_files__gte=F("used_files") + files),
        lambda files, **_: {"used_files": F("used_files") + files},
        pk=SOME_ID,
        files=1_618_033,
    )
    teams = [Team(name="one"), Team(name="x" * 100)]
    groups = [
        Group(team=team, name=f"of {team.name}"[:50], latitude=48.2, longitude=16.4, closes_at=at)
        for team, at in zip(teams, [None, datetime(2026, 6, 21, tzinfo=UTC)], strict=True)
    ]
    with django_assert_num_queries(1):
        assert insert(teams, groups, if_changed=update.statement(pk=link.pk, files=2))
    for group in groups:
        stored = Group.objects.get(pk=group.pk)
        for field in Group._meta.concrete_fields:
            assert getattr(stored, field.attname) == getattr(group, field.attname), field
    more = [Team(name="two many")]
    assert not insert(more, if_changed=update.statement(pk=link.pk, files=2))
    assert more[0]._state.adding
    assert not Team.objects.filter(name="two many").exists()
    link.refresh_from_db()
    assert link.used_files == 2


def test_a_text_that_is_too_long_is_refused_and_not_cut():
    link = InvitationFactory()
    update = Update(
        lambda pk: Invitation.objects.filter(pk=pk), lambda **_: {"used_files": 7}, pk=SOME_ID
    )
    most = Team._meta.get_field("name").max_length
    with pytest.raises(DataError), transaction.atomic():
        insert([Team(name="x" * (most + 1))], if_changed=update.statement(pk=link.pk))
    link.refresh_from_db()
    assert link.used_files == 0


def test_a_write_that_fails_ends_the_transaction_around_it():
    known = GroupFactory()
    with transaction.atomic():
        sid = transaction.savepoint()
        with pytest.raises(IntegrityError):
            insert([Group(pk=known.pk, team=known.team, name="again")])
        assert transaction.get_rollback()
        transaction.set_rollback(False)
        transaction.savepoint_rollback(sid)
