locals {
  database_count = var.create_database ? 1 : 0
}

resource "aws_db_subnet_group" "database" {
  count = local.database_count

  name       = var.name
  subnet_ids = var.private_subnet_ids
}

resource "aws_security_group" "database" {
  count = local.database_count

  name        = "${var.name}-database"
  description = "Postgres, for the containers"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "database" {
  count = local.database_count

  security_group_id            = aws_security_group.database[0].id
  description                  = "From the containers"
  referenced_security_group_id = aws_security_group.containers.id
  ip_protocol                  = "tcp"
  from_port                    = 5432
  to_port                      = 5432
}

# The only part that needs a backup beside the bucket.
resource "aws_db_instance" "database" {
  count = local.database_count

  identifier     = var.name
  engine         = "postgres"
  engine_version = "18"
  instance_class = var.database.instance_class
  multi_az       = var.database.multi_az

  allocated_storage     = var.database.storage_gb
  max_allocated_storage = var.database.storage_max_gb
  storage_type          = "gp3"
  storage_encrypted     = true

  db_name             = "bandpics"
  username            = "bandpics"
  password_wo         = ephemeral.aws_secretsmanager_secret_version.database_password[0].secret_string
  password_wo_version = 1

  db_subnet_group_name   = aws_db_subnet_group.database[0].name
  vpc_security_group_ids = [aws_security_group.database[0].id]
  publicly_accessible    = false

  backup_retention_period   = var.database.backup_days
  copy_tags_to_snapshot     = true
  deletion_protection       = true
  skip_final_snapshot       = false
  final_snapshot_identifier = "${var.name}-final"

  auto_minor_version_upgrade      = true
  performance_insights_enabled    = true
  enabled_cloudwatch_logs_exports = ["postgresql", "upgrade"]
}

resource "aws_secretsmanager_secret" "database_url" {
  count = local.database_count

  name                    = "${var.name}/DATABASE_URL"
  recovery_window_in_days = 30
}

resource "aws_secretsmanager_secret_version" "database_url" {
  count = local.database_count

  secret_id = aws_secretsmanager_secret.database_url[0].id
  secret_string_wo = format(
    "postgres://bandpics:%s@%s/bandpics?sslmode=require",
    ephemeral.aws_secretsmanager_secret_version.database_password[0].secret_string,
    aws_db_instance.database[0].endpoint,
  )
  secret_string_wo_version = 1
}
