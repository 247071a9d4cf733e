# The same functions as the role `events`, called by SQS: images/storage_events/lambda_handler.py.

locals {
  lambda_count = var.events_by_lambda ? 1 : 0
}

resource "aws_cloudwatch_log_group" "lambda" {
  count = local.lambda_count

  name              = "/aws/lambda/${var.name}-storage-events"
  retention_in_days = var.log_days
}

data "aws_iam_policy_document" "lambda" {
  count = local.lambda_count

  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }
  }
}

resource "aws_iam_role" "lambda" {
  count = local.lambda_count

  name               = "${var.name}-storage-events-lambda"
  assume_role_policy = data.aws_iam_policy_document.lambda[0].json
}

data "aws_iam_policy_document" "run_lambda" {
  count = local.lambda_count

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.lambda[0].arn}:*"]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = values(local.secrets_by_role["events"])
  }

  # Of a network interface's id nobody knows before it is made.
  statement {
    sid       = "JoinNetwork"
    actions   = ["ec2:CreateNetworkInterface", "ec2:DescribeNetworkInterfaces", "ec2:DeleteNetworkInterface"]
    resources = ["*"]
  }
}

resource "aws_iam_role_policy" "lambda" {
  for_each = var.events_by_lambda ? {
    run    = data.aws_iam_policy_document.run_lambda[0].json
    events = data.aws_iam_policy_document.receive_events.json
    bucket = data.aws_iam_policy_document.bucket["events"].json
  } : {}

  name   = each.key
  role   = aws_iam_role.lambda[0].id
  policy = each.value
}

resource "aws_lambda_function" "events" {
  count = local.lambda_count

  function_name = "${var.name}-storage-events"
  role          = aws_iam_role.lambda[0].arn
  package_type  = "Image"
  image_uri     = "${aws_ecr_repository.app.repository_url}:${var.image_tag}-lambda"
  memory_size   = 512
  timeout       = 30

  # No more connections to Postgres than that.
  reserved_concurrent_executions = 5

  environment {
    variables = merge(var.settings, local.derived_settings, {
      WORK_DIR    = "/tmp"
      SECRET_ARNS = jsonencode(local.secrets_by_role["events"])
    })
  }

  vpc_config {
    subnet_ids         = var.private_subnet_ids
    security_group_ids = [aws_security_group.containers.id]
  }

  # Releases change the image.
  lifecycle {
    ignore_changes = [image_uri]
  }

  depends_on = [aws_iam_role_policy.lambda]
}

resource "aws_lambda_event_source_mapping" "events" {
  count = local.lambda_count

  event_source_arn        = aws_sqs_queue.events.arn
  function_name           = aws_lambda_function.events[0].arn
  batch_size              = 10
  function_response_types = ["ReportBatchItemFailures"]
}

# Lambda pulls the image itself.
data "aws_iam_policy_document" "registry" {
  count = local.lambda_count

  statement {
    sid     = "LambdaPullsImage"
    actions = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]

    principals {
      type        = "Service"
      identifiers = ["lambda.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

resource "aws_ecr_repository_policy" "app" {
  count = local.lambda_count

  repository = aws_ecr_repository.app.name
  policy     = data.aws_iam_policy_document.registry[0].json
}
