/**
 * The control server: answers requests of the command line on a socket that only the owner can open.
 * A request that fails gets its error and nothing else happens; a client that goes away is forgotten,
 * what it started goes on, unless it is of use to that client alone.
 */
import { rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { CoralError, ExitCode, reasonOf } from '../config/errors.js';
import { didYouMean } from '../config/suggest.js';
import { errorField, type Log } from '../observe/log.js';
import {
  CONTROL_SOCKET,
  lineReader,
  socketAddress,
  type Message,
  type Request,
} from './protocol.js';

export type Progress = (value: unknown) => void;
/** Answers one request; what it returns goes out as `result`. `gone`: the client went away before that. */
export type Handler = (
  args: Record<string, unknown>,
  progress: Progress,
  gone: AbortSignal,
) => unknown;
export type Handlers = Readonly<Record<string, Handler>>;

export interface ControlServer {
  close(): Promise<void>;
}

/** Call with the volume's lock held: a socket file that is there is then a leftover. */
export async function openControl(
  volume: string,
  handlers: Handlers,
  log: Log,
): Promise<ControlServer> {
  rmSync(`${volume}/${CONTROL_SOCKET}`, { force: true });
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    attend(socket, handlers, log);
  });
  const address = socketAddress(volume);
  await listen(server, address.path);
  return {
    close: () =>
      new Promise((resolve) => {
        server.close(() => {
          rmSync(`${volume}/${CONTROL_SOCKET}`, { force: true });
          address.release();
          resolve();
        });
        for (const socket of sockets) socket.destroySoon();
      }),
  };
}

/** The file is created within `listen`, so the mask makes it private from its first moment. */
function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    const mask = process.umask(0o177);
    try {
      server.listen(path, resolve);
    } finally {
      process.umask(mask);
    }
  });
}

function attend(socket: Socket, handlers: Handlers, log: Log): void {
  const send = (message: Message) => {
    if (socket.writable) socket.write(`${JSON.stringify(message)}\n`);
  };
  const gone = new AbortController();
  socket.once('close', () => gone.abort());
  const read = lineReader((line) => void answer(line, handlers, { send, gone: gone.signal }, log));
  socket.on('data', (chunk: Buffer) => {
    try {
      read(chunk);
    } catch (error) {
      log.warn(errorField(error), 'a control connection was cut');
      socket.destroy();
    }
  });
  socket.on('error', (error) => log.debug(errorField(error), 'a control client went away'));
}

interface Client {
  send: (message: Message) => void;
  gone: AbortSignal;
}

async function answer(
  line: string,
  handlers: Handlers,
  { send, gone }: Client,
  log: Log,
): Promise<void> {
  let id = 0;
  try {
    const request = parseRequest(line);
    id = request.id;
    log.debug({ verb: request.verb }, 'request');
    const handler = handlerOf(request.verb, handlers);
    const result = await handler(request.args, (progress) => send({ id, progress }), gone);
    send({ id, result: result ?? null });
  } catch (error) {
    if (!(error instanceof CoralError)) log.error(errorField(error), 'a request failed');
    send({ id, error: errorMessage(error) });
  }
}

function parseRequest(line: string): Request {
  const request = JSON.parse(line) as Partial<Request> | null;
  const { id, verb, args } = request ?? {};
  if (typeof id === 'number' && typeof verb === 'string' && typeof args === 'object') {
    return { id, verb, args: args ?? {} };
  }
  throw new CoralError(ExitCode.usage, 'the control socket expects {"id", "verb", "args"}');
}

function handlerOf(verb: string, handlers: Handlers): Handler {
  if (Object.hasOwn(handlers, verb)) return handlers[verb];
  throw new CoralError(
    ExitCode.usage,
    `the daemon knows no request "${verb}"${didYouMean(verb, Object.keys(handlers))} ` +
      'It may be of another version: unmount and mount again',
  );
}

function errorMessage(error: unknown): { message: string; exitCode: ExitCode; stack?: string } {
  const stack = error instanceof Error ? error.stack : undefined;
  if (error instanceof CoralError) {
    return { message: error.message, exitCode: error.exitCode, stack };
  }
  return { message: reasonOf(error), exitCode: ExitCode.failed, stack };
}
