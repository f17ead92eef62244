variable "REGISTRY" { default = "registry.example.com" }
variable "VERSION" { default = "dev" }
variable "BASE" { default = "debian:bookworm-slim" }

group "default" { targets = ["app", "web"] }

target "tools" {
  context = "tools"
  args = { BASE = BASE }
}

target "web" {
  context = "web"
  contexts = { tools = "target:tools" }
  tags = ["${REGISTRY}/bake/web:${VERSION}"]
}

target "app" {
  args = { BASE = BASE, VERSION = VERSION }
  name = "app-${kind}"
  matrix = { kind = ["runtime", "worker"] }
  target = kind
  tags = ["${REGISTRY}/bake/app:${VERSION}-${kind}"]
}
