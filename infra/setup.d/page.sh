# shellcheck shell=bash disable=SC2154 # variables set by ../setup
# The page that the API serves, built from apps/web.

plan_page() {
  [[ -f $root/apps/web/build ]] || return 0
  bash "$root/apps/web/build" --check || need page npm "the built page" "people who use Kiln in a browser" "bash apps/web/build"
}

provide_page() {
  planned page || return 0
  say "building the page …"
  bash "$root/apps/web/build" >/dev/null || fail "the page could not be built (bash apps/web/build)"
}
