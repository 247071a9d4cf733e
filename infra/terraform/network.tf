resource "aws_security_group" "balancer" {
  name        = "${var.name}-balancer"
  description = "The load balancer: the world by HTTPS"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "balancer" {
  for_each = { http = 80, https = 443 }

  security_group_id = aws_security_group.balancer.id
  description       = "From anywhere by ${each.key}"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = each.value
  to_port           = each.value
}

resource "aws_vpc_security_group_egress_rule" "balancer" {
  security_group_id            = aws_security_group.balancer.id
  description                  = "To the containers of web"
  referenced_security_group_id = aws_security_group.containers.id
  ip_protocol                  = "tcp"
  from_port                    = local.web_port
  to_port                      = local.web_port
}

resource "aws_security_group" "containers" {
  name        = "${var.name}-containers"
  description = "All containers"
  vpc_id      = var.vpc_id
}

resource "aws_vpc_security_group_ingress_rule" "web" {
  security_group_id            = aws_security_group.containers.id
  description                  = "From the load balancer"
  referenced_security_group_id = aws_security_group.balancer.id
  ip_protocol                  = "tcp"
  from_port                    = local.web_port
  to_port                      = local.web_port
}

# Mail servers, OIDC issuers and providers of captions have any address.
resource "aws_vpc_security_group_egress_rule" "containers" {
  security_group_id = aws_security_group.containers.id
  description       = "To S3, the database, the cache, mail servers and providers"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "-1"
}

resource "aws_vpc_endpoint" "s3" {
  count = length(var.private_route_table_ids) > 0 ? 1 : 0

  vpc_id          = var.vpc_id
  service_name    = "com.amazonaws.${var.region}.s3"
  route_table_ids = var.private_route_table_ids
}
