/** `mount`: start the daemon of a volume; returns when it serves. Also the hidden verb of the child. */
import { ExitCode } from '../config/errors.js';
import { isRemount, type MountRequest } from '../daemon/mount-request.js';
import { SERVE_VERB } from '../daemon/ready.js';
import type { Output } from './output.js';
import type { Flag, Invocation, Verb } from './verb.js';

const FLAGS: Readonly<Record<string, Flag>> = {
  options: {
    type: 'string',
    short: 'o',
    multiple: true,
    value: 'OPTION,...',
    help: 'see below; may be repeated',
  },
};

export const mountVerb: Verb = {
  name: 'mount',
  usage: 'VOLUME MOUNTPOINT [-o OPTION,...] [--foreground]',
  summary: 'serve a volume at a mount point; returns when it serves',
  details: optionDetails,
  flags: {
    ...FLAGS,
    foreground: { type: 'boolean', short: 'f', help: 'stay, and log to standard error' },
    fake: { type: 'boolean', help: 'check everything, mount nothing' },
  },
  arity: [2, 2],
  run: mount,
};

export const serveVerb: Verb = {
  name: SERVE_VERB,
  usage: 'VOLUME MOUNTPOINT [-o OPTION,...]',
  summary: 'the daemon itself, started by mount',
  flags: FLAGS,
  arity: [2, 2],
  async run(invocation) {
    const { serveBackground } = await import('../daemon/serve.js');
    return serveBackground(requestOf(invocation));
  },
};

async function optionDetails(): Promise<string[]> {
  const { optionLines } = await import('./help-options.js');
  return ['Options:', ...optionLines()];
}

async function mount(invocation: Invocation): Promise<ExitCode> {
  const request = requestOf(invocation);
  const { output } = invocation;
  if (isRemount(request)) return changeMount(invocation, request);
  if (invocation.has('fake')) return check(invocation, request);
  if (invocation.has('foreground')) {
    const { serveForeground } = await import('../daemon/serve.js');
    return serveForeground(request, (message) => output.say(message));
  }
  const { launch } = await import('../daemon/launch.js');
  const { warnings, ...document } = await launch(request, (message) => output.say(message));
  return conclude(output, document, warnings);
}

async function check({ output }: Invocation, request: MountRequest): Promise<ExitCode> {
  const { fakeMount } = await import('../daemon/fake-mount.js');
  const { warnings, ...document } = await fakeMount(request);
  return conclude(output, document, warnings);
}

function conclude(output: Output, document: object, warnings: readonly string[]): ExitCode {
  for (const warning of warnings) output.say(`coral-reef: ${warning}`);
  output.result(document, () => []);
  return ExitCode.done;
}

async function changeMount(invocation: Invocation, request: MountRequest): Promise<ExitCode> {
  if (invocation.has('fake')) {
    const [volume, mountpoint] = invocation.positionals;
    return conclude(invocation.output, { mountpoint, volume, fake: true }, []);
  }
  const { remount } = await import('../daemon/remount.js');
  invocation.output.result(await remount(request), () => []);
  return ExitCode.done;
}

function requestOf({ positionals, texts }: Invocation): MountRequest {
  return { volume: positionals[0], mountpoint: positionals[1], options: texts('options') };
}
