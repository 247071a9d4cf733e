# Workers follow the age of the photo that has waited longest. The sweeper writes it into its log every
# ten seconds, in CloudWatch's embedded metric format (CLOUDWATCH_METRICS, bandpics/cloudwatch.py), and
# CloudWatch makes the metric of it. Web servers follow their load.

resource "aws_appautoscaling_target" "role" {
  for_each = { for role in ["web", "worker"] : role => local.roles[role] }

  service_namespace  = "ecs"
  scalable_dimension = "ecs:service:DesiredCount"
  resource_id        = "service/${aws_ecs_cluster.app.name}/${aws_ecs_service.role[each.key].name}"
  min_capacity       = each.value.least
  max_capacity       = each.value.most
}

resource "aws_appautoscaling_policy" "web" {
  name               = "${var.name}-web"
  policy_type        = "TargetTrackingScaling"
  service_namespace  = aws_appautoscaling_target.role["web"].service_namespace
  scalable_dimension = aws_appautoscaling_target.role["web"].scalable_dimension
  resource_id        = aws_appautoscaling_target.role["web"].resource_id

  target_tracking_scaling_policy_configuration {
    target_value       = 60
    scale_in_cooldown  = 300
    scale_out_cooldown = 60

    predefined_metric_specification {
      predefined_metric_type = "ECSServiceAverageCPUUtilization"
    }
  }
}

resource "aws_appautoscaling_policy" "more_workers" {
  name               = "${var.name}-more-workers"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.role["worker"].service_namespace
  scalable_dimension = aws_appautoscaling_target.role["worker"].scalable_dimension
  resource_id        = aws_appautoscaling_target.role["worker"].resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = 120
    metric_aggregation_type = "Maximum"

    # Bounds count from the threshold of the alarm: 30 s.
    step_adjustment {
      metric_interval_lower_bound = 0
      metric_interval_upper_bound = 60
      scaling_adjustment          = 1
    }

    step_adjustment {
      metric_interval_lower_bound = 60
      scaling_adjustment          = 3
    }
  }
}

resource "aws_appautoscaling_policy" "fewer_workers" {
  name               = "${var.name}-fewer-workers"
  policy_type        = "StepScaling"
  service_namespace  = aws_appautoscaling_target.role["worker"].service_namespace
  scalable_dimension = aws_appautoscaling_target.role["worker"].scalable_dimension
  resource_id        = aws_appautoscaling_target.role["worker"].resource_id

  step_scaling_policy_configuration {
    adjustment_type         = "ChangeInCapacity"
    cooldown                = 300
    metric_aggregation_type = "Maximum"

    step_adjustment {
      metric_interval_upper_bound = 0
      scaling_adjustment          = -1
    }
  }
}

resource "aws_cloudwatch_metric_alarm" "photos_wait" {
  alarm_name          = "${var.name}-photos-wait"
  alarm_description   = "The photo that has waited longest has waited for over 30 s: more workers are started."
  namespace           = "Bandpics"
  metric_name         = "OldestSeconds"
  dimensions          = { Queue = "images" }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  threshold           = 30
  treat_missing_data  = "missing"
  alarm_actions       = [aws_appautoscaling_policy.more_workers.arn]
}

resource "aws_cloudwatch_metric_alarm" "photos_do_not_wait" {
  alarm_name          = "${var.name}-photos-do-not-wait"
  alarm_description   = "No photo has waited for over 5 s for ten minutes: one worker after the other is stopped."
  namespace           = "Bandpics"
  metric_name         = "OldestSeconds"
  dimensions          = { Queue = "images" }
  statistic           = "Maximum"
  period              = 60
  evaluation_periods  = 10
  comparison_operator = "LessThanOrEqualToThreshold"
  threshold           = 5
  treat_missing_data  = "missing"
  alarm_actions       = [aws_appautoscaling_policy.fewer_workers.arn]
}

# No news of the sweeper: it does not run, or beat does not.
resource "aws_cloudwatch_metric_alarm" "no_sweep" {
  alarm_name          = "${var.name}-no-sweep"
  alarm_description   = "The sweeper has not run for five minutes: nothing finds what was lost on the way."
  namespace           = "Bandpics"
  metric_name         = "OldestSeconds"
  dimensions          = { Queue = "images" }
  statistic           = "SampleCount"
  period              = 300
  evaluation_periods  = 1
  comparison_operator = "LessThanThreshold"
  threshold           = 1
  treat_missing_data  = "breaching"
}
