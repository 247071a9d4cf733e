# What each role may do, and nothing else. Every role asks whether an object is there, which S3 answers
# with 404 only to those who may list the bucket.

locals {
  sizes = ["small", "thumb", "tile", "medium", "fullsize"]

  # Prefixes of the bucket's objects: images/storage/object_keys.py.
  keys = {
    incoming   = ["incoming/*"]
    markers    = ["forgotten/*", "trashed/*"]
    originals  = ["*/original/*"]
    variants   = [for size in local.sizes : "*/${size}/*"]
    transforms = ["*/transforms/*"]
    archives   = ["*/archives/*"]
  }
  all_keys = keys(local.keys)

  # read: GET and HEAD. write: PUT, multipart uploads, the target of copies. remove: DELETE, and
  # giving up multipart uploads.
  bucket_access = {
    web = {
      read   = local.all_keys # signs the addresses by which browsers read
      write  = ["incoming", "markers", "originals", "variants"]
      remove = local.all_keys
    }
    worker = {
      read   = ["incoming", "originals", "variants"]
      write  = ["incoming", "originals", "variants"]
      remove = local.all_keys
    }
    # Also for `manage.py reconcile`, which is run as a task of this role.
    sweeper = {
      read   = local.all_keys
      write  = ["incoming", "markers", "originals", "variants"]
      remove = local.all_keys
    }
    archives = {
      read   = ["originals", "variants", "archives"]
      write  = ["archives"]
      remove = ["archives"]
    }
    transforms = {
      read   = ["originals", "variants", "transforms"]
      write  = ["transforms"]
      remove = ["transforms"]
    }
    captions = {
      read   = ["variants"]
      write  = []
      remove = []
    }
    events = {
      read   = ["incoming"]
      write  = ["incoming"]
      remove = ["incoming"]
    }
  }

  bucket_actions = {
    read   = ["s3:GetObject"]
    write  = ["s3:PutObject", "s3:AbortMultipartUpload", "s3:ListMultipartUploadParts"]
    remove = ["s3:DeleteObject", "s3:AbortMultipartUpload"]
  }
}

# --- What the programs in the containers may do ----------------------------------------------

data "aws_iam_policy_document" "containers" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["ecs-tasks.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [data.aws_caller_identity.current.account_id]
    }
  }
}

# beat and migrate have one, too: with nothing in it.
resource "aws_iam_role" "task" {
  for_each = local.roles

  name               = "${var.name}-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.containers.json
}

data "aws_iam_policy_document" "bucket" {
  for_each = local.bucket_access

  statement {
    sid = "Bucket"
    actions = concat(
      ["s3:ListBucket"],
      # Reconciling: admin has a page for it.
      contains(["web", "sweeper"], each.key) ? ["s3:ListBucketMultipartUploads"] : [],
    )
    resources = [aws_s3_bucket.media.arn]
  }

  dynamic "statement" {
    for_each = { for kind, folders in each.value : kind => folders if length(folders) > 0 }

    content {
      sid     = title(statement.key)
      actions = local.bucket_actions[statement.key]
      resources = flatten([
        for folder in statement.value : [for key in local.keys[folder] : "${aws_s3_bucket.media.arn}/${key}"]
      ])
    }
  }
}

resource "aws_iam_role_policy" "bucket" {
  for_each = local.bucket_access

  name   = "bucket"
  role   = aws_iam_role.task[each.key].id
  policy = data.aws_iam_policy_document.bucket[each.key].json
}

data "aws_iam_policy_document" "receive_events" {
  statement {
    actions   = ["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:ChangeMessageVisibility", "sqs:GetQueueAttributes"]
    resources = [aws_sqs_queue.events.arn]
  }
}

resource "aws_iam_role_policy" "receive_events" {
  name   = "events"
  role   = aws_iam_role.task["events"].id
  policy = data.aws_iam_policy_document.receive_events.json
}

# The sweeper writes what beat asks for, the audit trail too: new objects only.
data "aws_iam_policy_document" "audit" {
  statement {
    actions   = ["s3:PutObject"]
    resources = ["${aws_s3_bucket.logs.arn}/audit/*"]
  }

  statement {
    actions   = ["s3:ListBucket"]
    resources = [aws_s3_bucket.logs.arn]
  }
}

resource "aws_iam_role_policy" "audit" {
  name   = "audit"
  role   = aws_iam_role.task["sweeper"].id
  policy = data.aws_iam_policy_document.audit.json
}

# --- What ECS may do to start them -----------------------------------------------------------

# One for each role, because each reads other secrets.
resource "aws_iam_role" "start" {
  for_each = local.roles

  name               = "${var.name}-start-${each.key}"
  assume_role_policy = data.aws_iam_policy_document.containers.json
}

data "aws_iam_policy_document" "start" {
  for_each = local.roles

  # AWS takes no narrower resource for this one.
  statement {
    sid       = "SignInToRegistry"
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }

  statement {
    sid       = "PullImage"
    actions   = ["ecr:BatchCheckLayerAvailability", "ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    resources = [aws_ecr_repository.app.arn]
  }

  statement {
    sid       = "WriteLogs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["${aws_cloudwatch_log_group.role[each.key].arn}:*"]
  }

  statement {
    sid       = "ReadSecrets"
    actions   = ["secretsmanager:GetSecretValue"]
    resources = values(local.secrets_by_role[each.key])
  }
}

resource "aws_iam_role_policy" "start" {
  for_each = local.roles

  name   = "start"
  role   = aws_iam_role.start[each.key].id
  policy = data.aws_iam_policy_document.start[each.key].json
}
