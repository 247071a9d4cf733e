# The release workflow signs in by OIDC, without a key: .github/workflows/release.yml.

locals {
  github_count = var.github_repository == "" ? 0 : 1
  github_arn   = one(concat(aws_iam_openid_connect_provider.github[*].arn, compact([var.github_provider_arn])))
}

resource "aws_iam_openid_connect_provider" "github" {
  count = local.github_count == 1 && var.github_provider_arn == "" ? 1 : 0

  url            = "https://token.actions.githubusercontent.com"
  client_id_list = ["sts.amazonaws.com"]
}

data "aws_iam_policy_document" "github" {
  count = local.github_count

  statement {
    actions = ["sts:AssumeRoleWithWebIdentity"]

    principals {
      type        = "Federated"
      identifiers = [local.github_arn]
    }

    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:aud"
      values   = ["sts.amazonaws.com"]
    }

    # Only jobs of this environment, whose protection rules count.
    condition {
      test     = "StringEquals"
      variable = "token.actions.githubusercontent.com:sub"
      values   = ["repo:${var.github_repository}:environment:${var.github_environment}"]
    }
  }
}

resource "aws_iam_role" "release" {
  count = local.github_count

  name               = "${var.name}-release"
  assume_role_policy = data.aws_iam_policy_document.github[0].json
}

data "aws_iam_policy_document" "release" {
  count = local.github_count

  # AWS takes no narrower resource for these three.
  statement {
    sid       = "SignInAndDescribe"
    actions   = ["ecr:GetAuthorizationToken", "ecs:DescribeTaskDefinition", "ecs:RegisterTaskDefinition"]
    resources = ["*"]
  }

  statement {
    sid = "PushImage"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:CompleteLayerUpload", "ecr:DescribeImages",
      "ecr:GetDownloadUrlForLayer", "ecr:InitiateLayerUpload", "ecr:PutImage", "ecr:UploadLayerPart",
    ]
    resources = [aws_ecr_repository.app.arn]
  }

  statement {
    sid       = "Migrate"
    actions   = ["ecs:RunTask"]
    resources = ["${aws_ecs_task_definition.role["migrate"].arn_without_revision}:*"]

    condition {
      test     = "ArnEquals"
      variable = "ecs:cluster"
      values   = [aws_ecs_cluster.app.arn]
    }
  }

  statement {
    sid     = "RollOut"
    actions = ["ecs:DescribeServices", "ecs:UpdateService", "ecs:DescribeTasks"]
    resources = concat(
      [for service in aws_ecs_service.role : service.id],
      ["arn:aws:ecs:${var.region}:${data.aws_caller_identity.current.account_id}:task/${aws_ecs_cluster.app.name}/*"],
    )
  }

  statement {
    sid     = "StartAsRoles"
    actions = ["iam:PassRole"]
    resources = concat(
      [for role in aws_iam_role.task : role.arn],
      [for role in aws_iam_role.start : role.arn],
    )

    condition {
      test     = "StringEquals"
      variable = "iam:PassedToService"
      values   = ["ecs-tasks.amazonaws.com"]
    }
  }

  dynamic "statement" {
    for_each = aws_lambda_function.events

    content {
      sid       = "UpdateLambda"
      actions   = ["lambda:UpdateFunctionCode", "lambda:GetFunction", "lambda:GetFunctionConfiguration"]
      resources = [statement.value.arn]
    }
  }
}

resource "aws_iam_role_policy" "release" {
  count = local.github_count

  name   = "release"
  role   = aws_iam_role.release[0].id
  policy = data.aws_iam_policy_document.release[0].json
}
