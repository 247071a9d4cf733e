import django.db.models.deletion
from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('invitations', '0004_given_up_short_addresses'),
    ]

    operations = [
        migrations.RemoveConstraint(
            model_name='outgoingmail',
            name='mail_is_about_one_invitation',
        ),
        migrations.AlterField(
            model_name='outgoingmail',
            name='invitation',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='mails', to='invitations.invitation'),
        ),
        migrations.AlterField(
            model_name='outgoingmail',
            name='team_invitation',
            field=models.ForeignKey(null=True, on_delete=django.db.models.deletion.SET_NULL, related_name='mails', to='invitations.teaminvitation'),
        ),
        migrations.AddConstraint(
            model_name='outgoingmail',
            constraint=models.CheckConstraint(condition=models.Q(('invitation', None), ('team_invitation', None), _connector='OR'), name='mail_is_about_one_invitation_at_most'),
        ),
    ]
