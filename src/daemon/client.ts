/** The other end of the control socket: one request, its progress, its result. */
import { connect } from 'node:net';
import { CoralError, ExitCode, errnoName, reasonOf } from '../config/errors.js';
import { lineReader, socketAddress, type Message } from './protocol.js';

/**
 * Asks the daemon of a mounted volume. `mountpoint` is for messages; `signal` gives up waiting for the answer.
 * @throws CoralError: what the daemon answered, or `notMounted` where none listens.
 */
export function ask(
  volume: string,
  mountpoint: string,
  verb: string,
  args: Record<string, unknown>,
  onProgress: (value: unknown) => void = () => undefined,
  signal?: AbortSignal,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(endedEarly(mountpoint));
      return;
    }
    let address: ReturnType<typeof socketAddress>;
    try {
      address = socketAddress(volume);
    } catch (error) {
      reject(unreachable(mountpoint, error));
      return;
    }
    const socket = connect(address.path);
    const settle = (act: () => void) => {
      act();
      signal?.removeEventListener('abort', giveUp);
      address.release();
      socket.destroy();
    };
    const giveUp = () => settle(() => reject(endedEarly(mountpoint)));
    signal?.addEventListener('abort', giveUp);
    const read = lineReader((line) => {
      const message = JSON.parse(line) as Message;
      if ('progress' in message) onProgress(message.progress);
      else if ('result' in message) settle(() => resolve(message.result));
      else settle(() => reject(answered(message.error)));
    });
    socket.on('data', read);
    socket.on('error', (error) => settle(() => reject(unreachable(mountpoint, error))));
    socket.on('end', () => settle(() => reject(endedEarly(mountpoint))));
    socket.write(`${JSON.stringify({ id: 1, verb, args })}\n`);
  });
}

function answered(error: { message: string; exitCode: ExitCode; stack?: string }): CoralError {
  return new CoralError(error.exitCode, error.message, { cause: error.stack });
}

function unreachable(mountpoint: string, error: unknown): CoralError {
  const code = errnoName(error);
  if (code === 'EACCES' || code === 'EPERM') {
    return new CoralError(
      ExitCode.failed,
      `${mountpoint}: only the user who mounted it may control it. Ask as that user, or with sudo`,
      { cause: error },
    );
  }
  const why = code === 'ENOENT' || code === 'ECONNREFUSED' ? 'nobody listens' : reasonOf(error);
  return new CoralError(
    ExitCode.notMounted,
    `${mountpoint}: its daemon can't be reached: ${why}. ` +
      `If it has ended: fusermount3 -u ${mountpoint}, then mount again`,
    { cause: error },
  );
}

function endedEarly(mountpoint: string): CoralError {
  return new CoralError(
    ExitCode.notMounted,
    `${mountpoint}: its daemon ended before it answered. The reason is in the volume's log/daemon.log`,
  );
}
