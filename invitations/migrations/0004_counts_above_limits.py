from django.db import migrations


class Migration(migrations.Migration):
    """A photo that inherits its bytes counts, even for a link that is full by then."""

    dependencies = [("invitations", "0003_known_visibility")]

    operations = [
        migrations.RemoveConstraint(model_name="invitation", name="invitation_files_within_limit"),
        migrations.RemoveConstraint(model_name="invitation", name="invitation_bytes_within_limit"),
    ]
