# The same load balancer with the provider terraform-provider-openstack.
data "openstack_networking_subnet_v2" "vip" {
  name = "anycast-v4"
}

data "openstack_networking_subnet_v2" "backend" {
  name = "backend-v4"
}

data "openstack_loadbalancer_flavor_v2" "size" {
  name = "cluster-2"
}

resource "openstack_lb_loadbalancer_v2" "web" {
  name                  = "terraform-web"
  loadbalancer_provider = "anycast"
  flavor_id             = data.openstack_loadbalancer_flavor_v2.size.id
  vip_subnet_id         = data.openstack_networking_subnet_v2.vip.id
}

resource "openstack_lb_listener_v2" "web" {
  name            = "terraform-web"
  loadbalancer_id = openstack_lb_loadbalancer_v2.web.id
  protocol        = "HTTP"
  protocol_port   = 80
}

resource "openstack_lb_pool_v2" "web" {
  name        = "terraform-web"
  listener_id = openstack_lb_listener_v2.web.id
  protocol    = "HTTP"
  lb_method   = "ROUND_ROBIN"
}

resource "openstack_lb_members_v2" "web" {
  pool_id = openstack_lb_pool_v2.web.id

  member {
    name          = "member1"
    address       = "10.10.0.11"
    protocol_port = 8080
    subnet_id     = data.openstack_networking_subnet_v2.backend.id
  }

  member {
    name          = "member2"
    address       = "10.10.0.12"
    protocol_port = 8080
    subnet_id     = data.openstack_networking_subnet_v2.backend.id
  }
}

resource "openstack_lb_monitor_v2" "web" {
  pool_id     = openstack_lb_pool_v2.web.id
  type        = "HTTP"
  url_path    = "/"
  delay       = 2
  timeout     = 1
  max_retries = 2
}
