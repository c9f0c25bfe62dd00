/** The control protocol over a real socket: answers, progress, errors, clients that misbehave. */
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { CoralError, ExitCode } from '../../src/config/errors.js';
import { ask } from '../../src/daemon/client.js';
import { openControl, type Handlers } from '../../src/daemon/control.js';
import { CONTROL_SOCKET, MAX_LINE, lineReader } from '../../src/daemon/protocol.js';
import { openForegroundLog } from '../../src/observe/log.js';

const LOG = openForegroundLog('error', () => undefined);

async function served(context: TestContext, handlers: Handlers, below = ''): Promise<string> {
  const root = mkdtempSync(join(tmpdir(), 'coral-reef-control-'));
  const volume = join(root, below);
  mkdirSync(volume, { recursive: true });
  const server = await openControl(volume, handlers, LOG);
  context.after(async () => {
    await server.close();
    assert.ok(!existsSync(join(volume, CONTROL_SOCKET)), 'the socket file is gone');
    rmSync(root, { recursive: true });
  });
  return volume;
}

test('a request gets its result, with progress before it', async (context) => {
  const volume = await served(context, {
    demote: async (args, progress) => {
      for (let done = 1; done <= 3; done += 1) progress({ done, of: args['path'] });
      return { path: args['path'] };
    },
  });
  const seen: unknown[] = [];
  const name = '/caf\xc3\xa9/\xff';
  const result = await ask(volume, '/m', 'demote', { path: name }, (value) => seen.push(value));
  assert.deepEqual(result, { path: name });
  assert.deepEqual(
    seen,
    [1, 2, 3].map((done) => ({ done, of: name })),
  );
});

test('an error of the daemon arrives with its message and exit code', async (context) => {
  const volume = await served(context, {
    where: () => {
      throw new CoralError(ExitCode.unusable, 'tier nvme: missing');
    },
    broken: () => {
      throw new TypeError('a bug');
    },
    status: () => ({ fine: true }),
  });
  await assert.rejects(ask(volume, '/m', 'where', {}), {
    message: 'tier nvme: missing',
    exitCode: ExitCode.unusable,
  });
  await assert.rejects(ask(volume, '/m', 'broken', {}), { exitCode: ExitCode.failed });
  await assert.rejects(ask(volume, '/m', 'stauts', {}), {
    exitCode: ExitCode.usage,
    message: /did you mean status\?/,
  });
  await assert.rejects(ask(volume, '/m', 'constructor', {}), { exitCode: ExitCode.usage });
  assert.deepEqual(await ask(volume, '/m', 'status', {}), { fine: true });
});

test('only the owner can open the socket', async (context) => {
  const volume = await served(context, {});
  assert.equal(statSync(join(volume, CONTROL_SOCKET)).mode & 0o777, 0o600);
});

test('a volume with a very long path can be controlled', async (context) => {
  const below = Array.from({ length: 6 }, () => 'a-directory-with-a-long-name').join('/');
  const volume = await served(context, { status: () => 'here' }, below);
  assert.ok(join(volume, CONTROL_SOCKET).length > 108);
  assert.equal(await ask(volume, '/m', 'status', {}), 'here');
});

test('a leftover socket of a killed daemon does not keep a new one from serving', async (context) => {
  const volume = mkdtempSync(join(tmpdir(), 'coral-reef-control-'));
  context.after(() => rmSync(volume, { recursive: true }));
  writeFileSync(join(volume, CONTROL_SOCKET), '');
  const server = await openControl(volume, { status: () => 1 }, LOG);
  assert.equal(await ask(volume, '/m', 'status', {}), 1);
  await server.close();
});

test('where no daemon listens the mount point is named, with exit code 3', async () => {
  await assert.rejects(ask('/nowhere', '/coral-reef', 'status', {}), {
    exitCode: ExitCode.notMounted,
    message: /^\/coral-reef: .*fusermount3 -u/,
  });
});

test('a daemon that stops while it works leaves its client with an error, not waiting', async () => {
  const volume = mkdtempSync(join(tmpdir(), 'coral-reef-control-'));
  const server = await openControl(volume, { gc: () => new Promise(() => undefined) }, LOG);
  const waiting = ask(volume, '/coral-reef', 'gc', {});
  const refused = assert.rejects(waiting, { exitCode: ExitCode.notMounted });
  await ask(volume, '/m', 'none', {}).catch(() => undefined);
  await server.close();
  await refused;
  rmSync(volume, { recursive: true });
});

test('rubbish on the socket harms nobody else', async (context) => {
  const volume = await served(context, { status: () => 'well' });
  for (const rubbish of ['no json\n', '{}\n', 'null\n', '[1,2]\n', '{"id":1,"verb":{}}\n']) {
    assert.match(await send(volume, rubbish), /"error"/, rubbish);
  }
  const cut = await send(volume, 'x'.repeat(MAX_LINE + 1));
  assert.equal(cut, '', 'a line without end is cut off');
  assert.equal(await ask(volume, '/m', 'status', {}), 'well');
});

/** The first answer to raw bytes, or '' where the connection is closed instead. */
function send(volume: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(join(volume, CONTROL_SOCKET));
    socket.once('data', (chunk: Buffer) => {
      resolve(chunk.toString());
      socket.destroy();
    });
    socket.once('error', () => resolve(''));
    socket.once('close', () => resolve(''));
    socket.write(text);
  });
}

test('messages that arrive in pieces are put together', () => {
  const lines: string[] = [];
  const read = lineReader((line) => lines.push(line));
  const text = Buffer.from('{"a":"é"}\n{"b":2}\n\n{"c"');
  for (const byte of text) read(Buffer.from([byte]));
  read(Buffer.from(':3}\nrest'));
  assert.deepEqual(lines, ['{"a":"é"}', '{"b":2}', '', '{"c":3}']);
});
