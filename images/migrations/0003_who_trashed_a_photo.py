import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('images', '0002_host_desk'),
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.AddField(
            model_name='image',
            name='trashed_by',
            field=models.ForeignKey(blank=True, editable=False, help_text='Empty: a guest, or somebody who asked for its removal.', null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='+', to=settings.AUTH_USER_MODEL),
        ),
        migrations.AddField(
            model_name='takedownrequest',
            name='photo_id',
            field=models.UUIDField(default=uuid.UUID(int=0), help_text='The id of the photo, even when it is purged.'),
            preserve_default=False,
        ),
    ]
