# Passwords are made while Terraform runs, and written to Secrets Manager only: no state has them.
# They change if a `_version` is raised, never by themselves.

resource "aws_secretsmanager_secret" "made" {
  for_each = setsubtract(["SECRET_KEY", "INVITATION_TOKEN_KEY"], keys(var.secret_arns))

  name                    = "${var.name}/${each.key}"
  description             = "See docs/settings.md. Upload links are made from INVITATION_TOKEN_KEY: keep it."
  recovery_window_in_days = 30
}

ephemeral "random_password" "made" {
  for_each = aws_secretsmanager_secret.made

  length  = 64
  special = false
}

resource "aws_secretsmanager_secret_version" "made" {
  for_each = aws_secretsmanager_secret.made

  secret_id                = each.value.id
  secret_string_wo         = ephemeral.random_password.made[each.key].result
  secret_string_wo_version = 1
}

# The password of the database. It is read again where it is used, so that a run that makes only one
# of two resources gives it the same password.

resource "aws_secretsmanager_secret" "database_password" {
  count = local.database_count

  name                    = "${var.name}/database-password"
  recovery_window_in_days = 30
}

ephemeral "random_password" "database" {
  count = local.database_count

  length  = 48
  special = false
}

resource "aws_secretsmanager_secret_version" "database_password" {
  count = local.database_count

  secret_id                = aws_secretsmanager_secret.database_password[0].id
  secret_string_wo         = ephemeral.random_password.database[0].result
  secret_string_wo_version = 1
}

ephemeral "aws_secretsmanager_secret_version" "database_password" {
  count = local.database_count

  secret_id = aws_secretsmanager_secret_version.database_password[0].secret_id
}
