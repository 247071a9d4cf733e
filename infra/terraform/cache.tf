locals {
  cache_count = var.create_cache ? 1 : 0
}

resource "aws_elasticache_subnet_group" "cache" {
  count = local.cache_count

  name       = var.name
  subnet_ids = var.private_subnet_ids
}

resource "aws_security_group" "cache" {
  count = local.cache_count

  name        = "${var.name}-cache"
  description = "Redis, for the containers"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "cache" {
  count = local.cache_count

  security_group_id            = aws_security_group.cache[0].id
  description                  = "From the containers"
  referenced_security_group_id = aws_security_group.containers.id
  ip_protocol                  = "tcp"
  from_port                    = 6379
  to_port                      = 6379
}

# Carries tasks and counts requests. Losing all of it delays photos by a minute.
resource "aws_elasticache_replication_group" "cache" {
  count = local.cache_count

  replication_group_id = var.name
  description          = "Tasks and limits of Bandpics"
  engine               = "valkey"
  engine_version       = "8.0"
  node_type            = var.cache.node_type
  parameter_group_name = aws_elasticache_parameter_group.cache[0].name
  port                 = 6379

  num_cache_clusters         = var.cache.nodes
  automatic_failover_enabled = var.cache.nodes > 1
  multi_az_enabled           = var.cache.nodes > 1

  subnet_group_name  = aws_elasticache_subnet_group.cache[0].name
  security_group_ids = [aws_security_group.cache[0].id]

  # No password: it would be in the state, and the security group lets in nobody but the containers.
  at_rest_encryption_enabled = true
  transit_encryption_enabled = true
}

# Throttles and tasks must not push each other out.
resource "aws_elasticache_parameter_group" "cache" {
  count = local.cache_count

  name   = var.name
  family = "valkey8"

  parameter {
    name  = "maxmemory-policy"
    value = "noeviction"
  }
}
