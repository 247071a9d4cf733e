output "balancer_address" {
  description = "Point the domain at it, by an alias or a CNAME."
  value       = aws_lb.web.dns_name
}

output "repository_url" {
  description = "Where images are pushed to."
  value       = aws_ecr_repository.app.repository_url
}

# The variables of the release workflow, by name.
output "github_variables" {
  description = "What the environment of the repository needs as variables for the release workflow."
  value = {
    AWS_REGION      = var.region
    AWS_ROLE_ARN    = one(aws_iam_role.release[*].arn)
    ECR_REPOSITORY  = aws_ecr_repository.app.repository_url
    ECS_CLUSTER     = aws_ecs_cluster.app.name
    LAMBDA_FUNCTION = one(aws_lambda_function.events[*].function_name)
  }
}

output "run_task" {
  description = "Runs a command of manage.py as a task, such as: first_admin, reconcile."
  value = join(" ", [
    "aws ecs run-task --cluster ${aws_ecs_cluster.app.name} --launch-type FARGATE",
    "--task-definition ${aws_ecs_task_definition.role["sweeper"].family}",
    "--network-configuration 'awsvpcConfiguration={subnets=[${join(",", var.private_subnet_ids)}],securityGroups=[${aws_security_group.containers.id}],assignPublicIp=${var.assign_public_ip ? "ENABLED" : "DISABLED"}}'",
    "--overrides '{\"containerOverrides\":[{\"name\":\"sweeper\",\"command\":[\"reconcile\"]}]}'",
  ])
}
