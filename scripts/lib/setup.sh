# Sourced by scripts/start and scripts/test: installs and builds what is missing, and only that.
# Expects `set -euo pipefail` and the checkout as working directory.

# Compiler and libraries of the addon, and the mount helper.
build_packages=(g++ make python3 libzstd-dev libxxhash-dev libssl-dev fuse3 util-linux ca-certificates)
# Programs that tests use.
test_packages=(fio xfsprogs btrfs-progs e2fsprogs sqlite3 attr acl procps git rsync inotify-tools systemd)

say() { printf '%s\n' "$*"; }
fail() {
  printf 'coral-reef: %s\n' "$*" >&2
  exit 1
}

# Runs a command as root; the caller's PATH holds, so that Node is found where only the user has it.
as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo env "PATH=$PATH" "$@"
  else
    fail "'$1' needs root, and sudo is not installed. Run this as root, or install sudo."
  fi
}

check_node() {
  command -v node >/dev/null && command -v npm >/dev/null ||
    fail 'Node.js 20 or later with npm is needed and was not found on the PATH.'
  local major
  major=$(node -p 'process.versions.node.split(".")[0]')
  [ "$major" -ge 20 ] || fail "Node.js 20 or later is needed; this is $(node --version)."
}

missing_packages() {
  local package
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] ||
      printf '%s\n' "$package"
  done
}

install_packages() {
  local missing
  if ! command -v apt-get >/dev/null; then
    say "No apt-get here: please see to it that these are installed: $*"
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  say "Installing system packages: ${missing[*]}"
  apt_quietly update || say 'apt-get update failed; trying with the package lists that are here.'
  apt_quietly install --yes --no-install-recommends "${missing[@]}" ||
    fail "could not install ${missing[*]} (see above)."
}

# What apt-get says matters only when it fails.
apt_quietly() {
  local log
  log=$(mktemp)
  if ! as_root env DEBIAN_FRONTEND=noninteractive apt-get -q "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    return 1
  fi
  rm -f "$log"
}

# Every dependency works from what its package carries: no install script needs to run.
install_node_packages() {
  local stamp=node_modules/.coral-reef-lock
  cmp -s package-lock.json "$stamp" && return 0
  if [ -L node_modules ]; then
    say 'node_modules is a link: left as it is.'
    return 0
  fi
  say 'Installing npm packages'
  npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null ||
    fail 'npm ci failed (see above).'
  cp package-lock.json "$stamp"
}

# Packages that only tests use: large, and of no use to who only runs the program, so no dependencies.
# install_for_tests FOLDER-BELOW-.cache VERSION PACKAGE...
install_for_tests() {
  local folder=.cache/$1 version=$2
  shift 2
  [ "$(cat "$folder/version" 2>/dev/null)" = "$version" ] && return 0
  say "Installing for tests: $*"
  mkdir -p "$folder"
  printf '{"private":true}\n' >"$folder/package.json"
  npm install --prefix "$folder" --ignore-scripts --omit=optional --no-package-lock \
    --no-audit --no-fund --loglevel=error "$@" >/dev/null </dev/null ||
    fail "could not install $* (see above)."
  printf '%s\n' "$version" >"$folder/version"
}

# The name by which npm packages call this machine.
npm_arch() {
  case $(uname -m) in
    x86_64) printf x64 ;;
    aarch64) printf arm64 ;;
    *) fail "the packages for tests have no prebuilt binaries for $(uname -m)." ;;
  esac
}

llama_version=3.22.1
duckdb_version=1.5.6-r.1
usearch_version=2.26.2
install_test_packages() {
  local arch
  arch=$(npm_arch)
  install_for_tests llama "$llama_version" \
    "node-llama-cpp@$llama_version" "@node-llama-cpp/linux-$arch@$llama_version"
  install_for_tests databases "$duckdb_version $usearch_version" "usearch@$usearch_version" \
    "@duckdb/node-api@$duckdb_version" "@duckdb/node-bindings-linux-$arch@$duckdb_version"
}

# True where a source is newer than the last complete build. Directories count: files may be gone.
needs_build() {
  local stamp=dist/.built
  [ -e "$stamp" ] && [ -e native/build/Release/coral_reef.node ] || return 0
  [ -n "$(find src test scripts native package-lock.json tsconfig.json \
    -path '*native/build' -prune -o -newer "$stamp" -print -quit)" ]
}

# The system calls that tests make; the program does not need them.
build_test_addon() {
  local folder=test/posix/native
  local built=$folder/build/Release/system_calls.node
  [ -e "$built" ] && [ -z "$(find "$folder"/*.* -newer "$built" -print -quit)" ] && return 0
  run_build bash scripts/build-native "$folder"
}

build() {
  needs_build || return 0
  say 'Building'
  run_build bash scripts/build-native
  run_build bash scripts/build-ts
  touch dist/.built
}

# What a build says matters only when it fails; a warning is a failure.
run_build() {
  local log
  log=$(mktemp)
  if ! "$@" >"$log" 2>&1 </dev/null; then
    cat "$log" >&2
    rm -f "$log"
    fail 'the build failed (see above).'
  fi
  if grep -i 'warning' "$log" >&2; then
    rm -f "$log"
    fail 'the build gave warnings (see above).'
  fi
  rm -f "$log"
}

# /dev/fuse must be there: in a container often only the node is missing.
check_fuse_device() {
  [ -e /dev/fuse ] && return 0
  as_root modprobe fuse 2>/dev/null || true
  [ -e /dev/fuse ] && return 0
  if grep -q '[[:space:]]fuse$' /proc/filesystems; then
    as_root mknod -m 666 /dev/fuse c 10 229 2>/dev/null || true
  fi
  [ -e /dev/fuse ] || fail '/dev/fuse is missing and could not be created: load the kernel module
(modprobe fuse), or start the container with --device /dev/fuse --cap-add SYS_ADMIN.'
}
