from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("images", "0003_what_uploads_brought")]

    operations = [
        migrations.AddField(
            model_name="upload",
            name="looked_at",
            field=models.DateTimeField(blank=True, help_text="By the sweeper.", null=True),
        ),
    ]
