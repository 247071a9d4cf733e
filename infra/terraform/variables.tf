variable "name" {
  description = "The start of every resource's name."
  type        = string
  default     = "bandpics"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}$", var.name))
    error_message = "The name must have 2 to 21 lower-case letters, digits and hyphens, and start with a letter."
  }
}

variable "region" {
  description = "The AWS region of everything."
  type        = string
}

variable "domain" {
  description = "The host name that people use, such as photos.example.org. Point it at the output balancer_address."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9.-]+\\.[a-z]{2,}$", var.domain))
    error_message = "The domain must be a host name such as photos.example.org, without https:// and path."
  }
}

variable "certificate_arn" {
  description = "The certificate of AWS Certificate Manager for the domain, in the same region."
  type        = string
}

# --- Network ---------------------------------------------------------------------------------

variable "vpc_id" {
  description = "The VPC of everything."
  type        = string
}

variable "public_subnet_ids" {
  description = "Subnets of the load balancer, in two availability zones or more."
  type        = list(string)
}

variable "private_subnet_ids" {
  description = "Subnets of the containers, the database and the cache, in two availability zones or more."
  type        = list(string)
}

variable "private_route_table_ids" {
  description = "Route tables of the private subnets: they get a way to S3 that no NAT gateway charges for. Empty: none is made."
  type        = list(string)
  default     = []
}

variable "assign_public_ip" {
  description = "Whether containers get public addresses: true only where their subnets have no NAT gateway."
  type        = bool
  default     = false
}

# --- The image and its containers ------------------------------------------------------------

variable "image_tag" {
  description = "The version of the image that is started first, such as 0.1.0. Later ones are rolled out by the release workflow, and Terraform leaves them alone."
  type        = string
}

variable "sizes" {
  description = "Of each role: CPU units (1024 are one core), MiB of memory, how many run at first, at least and at most. Roles that are left out keep their defaults."
  type = map(object({
    cpu    = optional(number)
    memory = optional(number)
    least  = optional(number)
    most   = optional(number)
  }))
  default = {}

  validation {
    condition = alltrue([
      for role in keys(var.sizes) : contains(
        ["web", "worker", "sweeper", "archives", "transforms", "captions", "beat", "events", "migrate"], role
      )
    ])
    error_message = "The roles are web, worker, sweeper, archives, transforms, captions, beat, events and migrate."
  }
}

variable "log_days" {
  description = "How long CloudWatch keeps the logs of the containers."
  type        = number
  default     = 30
}

# --- Buckets ---------------------------------------------------------------------------------

variable "media_bucket" {
  description = "The name of the bucket of the photos. Names of buckets are unique in the world."
  type        = string
}

variable "logs_bucket" {
  description = "The name of the bucket of the audit trail."
  type        = string
}

variable "noncurrent_days" {
  description = "How long S3 keeps what was deleted or overwritten: so far back a bucket can be restored, and so long a photo that was deleted for good is still with AWS."
  type        = number
  default     = 14

  validation {
    condition     = var.noncurrent_days >= 1 && var.noncurrent_days <= 365
    error_message = "Deleted photos must be gone after 1 to 365 days."
  }
}

variable "audit_days" {
  description = "How long the audit trail is kept."
  type        = number
  default     = 400
}

# --- Database and cache ----------------------------------------------------------------------

variable "create_database" {
  description = "Whether RDS runs Postgres. If not, secret_arns must have DATABASE_URL."
  type        = bool
  default     = true
}

variable "database" {
  description = "The size of the database, and how many days of backups RDS keeps for a restore to any moment."
  type = object({
    instance_class = optional(string, "db.t4g.small")
    storage_gb     = optional(number, 20)
    storage_max_gb = optional(number, 200)
    multi_az       = optional(bool, false)
    backup_days    = optional(number, 14)
  })
  default = {}
}

variable "create_cache" {
  description = "Whether ElastiCache runs Redis. If not, secret_arns must have REDIS_URL."
  type        = bool
  default     = true
}

variable "cache" {
  description = "The size of the cache. Nothing in it needs a backup; a second node takes over when the first fails."
  type = object({
    node_type = optional(string, "cache.t4g.small")
    nodes     = optional(number, 1)
  })
  default = {}
}

# --- Releases --------------------------------------------------------------------------------

variable "github_repository" {
  description = "OWNER/NAME of the repository whose release workflow may push images and roll them out. Empty: none may."
  type        = string
  default     = ""
}

variable "github_environment" {
  description = "The environment of that repository that the workflow must run in."
  type        = string
  default     = "production"
}

variable "github_provider_arn" {
  description = "The OIDC provider of GitHub, if the account has one already. Empty: it is made, once there is a repository."
  type        = string
  default     = ""
}

variable "events_by_lambda" {
  description = "Whether a Lambda function completes uploads when S3 reports an object, instead of the role events. Its image must have been pushed before."
  type        = bool
  default     = false
}
