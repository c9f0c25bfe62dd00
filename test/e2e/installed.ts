/**
 * The program as an installation has it, for scripts that mount(8): in a mount namespace of its own, since
 * mount(8) starts helpers from folders of the system with a PATH of its own.
 */
import { program, type TestVolume } from './harness.js';
import { run, type Result } from '../../scripts/lib/process.js';

/**
 * `overlay DIR NAME` makes the program known as DIR/NAME; what was in that folder stays reachable. `ended PID`
 * waits for a process to end, `daemon MOUNTPOINT` says whose mount it is, `until COMMAND...` waits.
 */
const SETUP = `
  overlay() {
    local own="$3/system$1"
    mkdir -p "$own/new" "$own/was" && mount --bind "$1" "$own/was"
    find "$own/was" -mindepth 1 -maxdepth 1 -exec ln -s -t "$own/new" {} +
    ln -sf "$4" "$own/new/$2" && mount --bind "$own/new" "$1"
  }
  until_true() { for i in $(seq 300); do ! "$@" 2>/dev/null || return 0; sleep 0.1; done; return 1; }
  gone() { ! kill -0 "$1"; }
  ended() { until_true gone "$1"; }
  daemon() { coral-reef status "$1" --json | sed 's/.*"pid":\\([0-9]*\\).*/\\1/'; }
  overlay /usr/local/bin coral-reef "$3" "$4"
  overlay /usr/sbin mount.coral-reef "$3" "$4"
`;

/** Runs a script there. `$1` is the volume, `$2` the mount point, `$3` the root of the test. */
export function installed(volume: TestVolume, script: string): Promise<Result> {
  return run(
    'unshare',
    [
      ...['--mount', '--propagation', 'private', 'bash', '-euo', 'pipefail', '-c', SETUP + script],
      ...['bash', volume.path, volume.mountpoint, volume.root, program],
    ],
    { timeoutMs: 380_000 },
  );
}
