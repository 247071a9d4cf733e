"""A trigger of groups: another language makes the captions by a model due again."""

from django.db import migrations

# Whoever changes the language, and in which statement ever.
MARK = """
CREATE FUNCTION groups_mark_captions_outdated() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.captions_outdated := true;
    RETURN NEW;
END $$;
CREATE TRIGGER mark_captions_outdated BEFORE UPDATE OF caption_language ON groups_group
    FOR EACH ROW WHEN (OLD.caption_language <> NEW.caption_language)
    EXECUTE FUNCTION groups_mark_captions_outdated();
"""
MARK_NOTHING = """
DROP TRIGGER mark_captions_outdated ON groups_group;
DROP FUNCTION groups_mark_captions_outdated();
"""


class Migration(migrations.Migration):
    dependencies = [
        ("groups", "0001_initial"),
    ]

    operations = [
        migrations.RunSQL(MARK, MARK_NOTHING),
    ]
