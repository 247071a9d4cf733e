# One image, one service for each role: bandpics/entrypoint.py.

locals {
  web_port = 8000

  default_sizes = {
    web        = { cpu = 1024, memory = 2048, least = 2, most = 6 }
    worker     = { cpu = 1024, memory = 2048, least = 1, most = 8 }
    sweeper    = { cpu = 256, memory = 1024, least = 1, most = 1 }
    archives   = { cpu = 512, memory = 1024, least = 1, most = 1 }
    transforms = { cpu = 1024, memory = 2048, least = 1, most = 1 }
    captions   = { cpu = 256, memory = 1024, least = local.has_captions ? 1 : 0, most = local.has_captions ? 1 : 0 }
    beat       = { cpu = 256, memory = 512, least = 1, most = 1 }
    events     = { cpu = 256, memory = 512, least = var.events_by_lambda ? 0 : 1, most = var.events_by_lambda ? 0 : 1 }
    migrate    = { cpu = 512, memory = 1024, least = 0, most = 0 }
  }
  has_captions = contains(keys(var.settings), "CAPTION_PROVIDER")

  # Seconds from SIGTERM to SIGKILL; ECS takes no more than 120. A photo takes up to PHOTO_MAX_SECONDS,
  # and what is killed another worker does again.
  stop_seconds = {
    web = 70, worker = 120, archives = 120, transforms = 120, captions = 120, sweeper = 60
  }

  roles = {
    for role, size in local.default_sizes : role => {
      for key, value in size : key => coalesce(try(var.sizes[role][key], null), value)
    }
  }
  services = { for role, size in local.roles : role => size if role != "migrate" }

  secrets_by_role = {
    for role in keys(local.roles) : role => {
      for name, arn in local.secret_arns : name => arn
      if contains(concat(local.secrets_of_all, lookup(local.secrets_of, role, [])), name)
    }
  }

  environment = [
    for name, value in merge(var.settings, local.derived_settings) : { name = name, value = value }
  ]

  health_checks = {
    web  = ["CMD", "python", "-I", "bandpics/probe.py", "web"]
    beat = ["CMD", "python", "-I", "bandpics/probe.py", "beat"]
  }
  workers = ["worker", "sweeper", "archives", "transforms", "captions"]
}

resource "aws_ecs_cluster" "app" {
  name = var.name

  setting {
    name  = "containerInsights"
    value = "enabled"
  }
}

resource "aws_cloudwatch_log_group" "role" {
  for_each = local.roles

  name              = "/${var.name}/${each.key}"
  retention_in_days = var.log_days
}

resource "aws_ecs_task_definition" "role" {
  for_each = local.roles

  family                   = "${var.name}-${each.key}"
  requires_compatibilities = ["FARGATE"]
  network_mode             = "awsvpc"
  cpu                      = each.value.cpu
  memory                   = each.value.memory
  task_role_arn            = aws_iam_role.task[each.key].arn
  execution_role_arn       = aws_iam_role.start[each.key].arn

  # The image gives both folders to its user. Photos, and forms of which web keeps twice their size,
  # wait in /work.
  volume {
    name = "work"
  }

  volume {
    name = "tmp"
  }

  container_definitions = jsonencode([merge(
    {
      name      = each.key
      image     = "${aws_ecr_repository.app.repository_url}:${var.image_tag}"
      command   = [each.key]
      essential = true

      environment = local.environment
      secrets = [
        for name, arn in local.secrets_by_role[each.key] : { name = name, valueFrom = arn }
      ]

      user                   = "10001"
      readonlyRootFilesystem = true
      linuxParameters        = { initProcessEnabled = true, capabilities = { drop = ["ALL"] } }
      mountPoints = [
        { sourceVolume = "work", containerPath = "/work", readOnly = false },
        { sourceVolume = "tmp", containerPath = "/tmp", readOnly = false },
      ]

      portMappings = each.key == "web" ? [{ containerPort = local.web_port, protocol = "tcp" }] : []
      stopTimeout  = lookup(local.stop_seconds, each.key, 30)

      logConfiguration = {
        logDriver = "awslogs"
        options = {
          awslogs-group         = aws_cloudwatch_log_group.role[each.key].name
          awslogs-region        = var.region
          awslogs-stream-prefix = each.key
        }
      }
    },
    contains(concat(local.workers, keys(local.health_checks)), each.key) ? {
      healthCheck = {
        command     = lookup(local.health_checks, each.key, ["CMD", "python", "-I", "bandpics/probe.py", "worker"])
        interval    = 30
        timeout     = 5
        retries     = 3
        startPeriod = 120
      }
    } : {},
  )])
}

resource "aws_ecs_service" "role" {
  for_each = local.services

  name            = each.key
  cluster         = aws_ecs_cluster.app.id
  task_definition = aws_ecs_task_definition.role[each.key].arn
  desired_count   = each.value.least
  launch_type     = "FARGATE"
  propagate_tags  = "SERVICE"

  # New ones first: a second beat or sweeper does no harm, because what they do holds a lock.
  deployment_minimum_healthy_percent = 100
  deployment_maximum_percent         = 200
  health_check_grace_period_seconds  = each.key == "web" ? 120 : null

  deployment_circuit_breaker {
    enable   = true
    rollback = true
  }

  network_configuration {
    subnets          = var.private_subnet_ids
    security_groups  = [aws_security_group.containers.id]
    assign_public_ip = var.assign_public_ip
  }

  dynamic "load_balancer" {
    for_each = each.key == "web" ? [aws_lb_target_group.web.arn] : []

    content {
      target_group_arn = load_balancer.value
      container_name   = "web"
      container_port   = local.web_port
    }
  }

  # Releases change the image, and autoscaling the count.
  lifecycle {
    ignore_changes = [task_definition, desired_count]
  }

  depends_on = [aws_lb_listener.https, aws_iam_role_policy.start]
}
