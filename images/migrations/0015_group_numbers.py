from datetime import timedelta

from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('images', '0014_photo_counts'),
    ]

    operations = [
        migrations.CreateModel(
            name='GroupNumbers',
            fields=[
                ('group_id', models.UUIDField(primary_key=True, serialize=False)),
                ('numbers', models.JSONField(default=dict)),
                ('changed_at', models.DateTimeField(help_text='When photos of the group were last seen to change')),
                ('counted_at', models.DateTimeField(blank=True, null=True)),
                ('tried_at', models.DateTimeField(blank=True, null=True)),
                ('took', models.DurationField(default=timedelta)),
            ],
            options={
                'verbose_name_plural': 'group numbers',
            },
        ),
        # The sweeper counts the groups that are there.
        migrations.RunSQL(
            """
            INSERT INTO images_groupnumbers (group_id, numbers, took, changed_at)
            SELECT id, '{}', '0', statement_timestamp() FROM groups_group
            """,
            migrations.RunSQL.noop,
        ),
    ]
