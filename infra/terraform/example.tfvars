# cp example.tfvars terraform.tfvars, and fill it. docs/aws.md goes through it.
region          = "eu-central-1"
domain          = "photos.example.org"
certificate_arn = "arn:aws:acm:eu-central-1:123456789012:certificate/00000000-0000-0000-0000-000000000000"

vpc_id             = "vpc-0123456789abcdef0"
public_subnet_ids  = ["subnet-0aaaaaaaaaaaaaaaa", "subnet-0bbbbbbbbbbbbbbbb"]
private_subnet_ids = ["subnet-0cccccccccccccccc", "subnet-0dddddddddddddddd"]

media_bucket = "example-org-bandpics"
logs_bucket  = "example-org-bandpics-logs"
image_tag    = "0.1.0"

settings = {
  DEFAULT_FROM_EMAIL = "Bandpics <photos@example.org>"
}

# Secrets that you made in Secrets Manager.
# secret_arns = {
#   EMAIL_URL = "arn:aws:secretsmanager:eu-central-1:123456789012:secret:bandpics/EMAIL_URL-AbCdEf"
# }

# github_repository = "example/bandpics"
