/**
 * The native channel: connects the kernel's requests to the operations of a filesystem.
 *
 * A request is answered before the next one is taken where the operation is synchronous; otherwise when its
 * promise settles, which is after the requests that wait now were seen. READ and WRITE of served inodes never arrive here.
 */
import type { Log } from '../observe/log.js';
import { native, NO_REPLY, PENDING, type FuseSession } from '../native.js';
import { errnoOfError, isSystemError } from './errno.js';
import { negotiate, type Negotiated } from './init.js';
import { createInterrupts } from './interrupts.js';
import { OPCODES, type OpcodeEntry } from './opcodes.js';
import type { Caller, Operations } from './operations.js';
import { MAX_REQUEST_BYTES, Opcode } from './protocol.js';
import { ReplyWriter, RequestView } from './wire.js';

const EINTR = 4;
const EIO = 5;
const ENOSYS = 38;

export interface ChannelOptions {
  /** An open FUSE descriptor, mounted. */
  fd: number;
  operations: Operations;
  wantPassthrough: boolean;
  log: Log;
  /** The kernel's handshake is done; requests follow. */
  onReady: (negotiated: Negotiated) => void;
  /** The mount is gone: 0 after an unmount, else an errno. */
  onEnd: (errno: number) => void;
  /** Resolves to true where the chunk may be good now: it is read again. Else the reader gets EIO. */
  onDamage: (ino: number, chunk: number, packPath: string, reason: string) => Promise<boolean>;
}

/** Starts nothing yet: call `session.start()`. */
export function createChannel(options: ChannelOptions): FuseSession {
  const session: FuseSession = native.createSession(options.fd, {
    onRequests: (first) => {
      for (let length = first; length > 0;) length = session.next(dispatch(length));
    },
    onEnd: options.onEnd,
    onDamage: (unique, ...damage) => {
      const fail = () => session.respond(unique, EIO);
      options.onDamage(...damage).then((healed) => (healed ? session.retry(unique) : fail()), fail);
    },
  });
  const request = new RequestView(session.request);
  const out = new ReplyWriter(session.reply);
  const { operations, log } = options;
  const interrupts = createInterrupts();

  function dispatch(length: number): number {
    request.length = length;
    const opcode = request.opcode;
    if (opcode === Opcode.READ || opcode === Opcode.WRITE) return resume();
    const known = OPCODES[opcode];
    if (known === undefined) return answerOther(opcode);
    try {
      return run(known);
    } catch (error) {
      return failed(known, error);
    }
  }

  function run(known: OpcodeEntry): number {
    const caller: Caller = { uid: request.uid, gid: request.gid, pid: request.pid };
    out.position = 0;
    const result = known.run(operations, caller, request, out);
    if (known.silent === true) return NO_REPLY;
    if (result instanceof Promise) return later(known, result);
    known.encode(out, result as never);
    return out.position;
  }

  function later(known: OpcodeEntry, result: Promise<unknown>): number {
    const { unique, nodeid, pid } = request;
    const { undo } = known;
    if (undo) interrupts.begin(unique, pid, () => session.respond(unique, EINTR));
    const isGivenUp = () => undo !== undefined && !interrupts.end(unique);
    result
      .then((value) => {
        if (isGivenUp()) return undo?.(operations, nodeid, value as never);
        answer(known, unique, value);
      })
      .catch((error: unknown) => {
        const errno = -failed(known, error);
        if (!isGivenUp()) session.respond(unique, errno);
      });
    return PENDING;
  }

  function answer(known: OpcodeEntry, unique: number, value: unknown): void {
    try {
      // Free: an answer given at once has been sent before a promise runs, and so has this one after `respond`.
      out.position = 0;
      known.encode(out, value as never);
    } catch (error) {
      return session.respond(unique, -failed(known, error));
    }
    session.respond(unique, 0, out.bytes.subarray(0, out.position));
  }

  function failed(known: OpcodeEntry, error: unknown): number {
    const errno = errnoOfError(error);
    // A program is told no more than EIO: why is for the log.
    if (errno === EIO || !isSystemError(error)) {
      log.error({ err: error, operation: known.name }, 'operation failed');
    }
    return -errno;
  }

  function resume(): number {
    const unique = request.unique;
    const ino = request.nodeid;
    Promise.resolve()
      .then(() => operations.resume(ino))
      .then(() => session.retry(unique))
      .catch((error: unknown) => {
        log.error({ err: error, ino }, 'a read or write of a file that no one serves failed');
        session.respond(unique, errnoOfError(error));
      });
    return PENDING;
  }

  function answerOther(opcode: number): number {
    switch (opcode) {
      case Opcode.INIT:
        return initialize();
      case Opcode.INTERRUPT:
        interrupts.signalled(request.u64(0));
        return NO_REPLY;
      case Opcode.DESTROY:
        return 0;
      default:
        return -ENOSYS;
    }
  }

  function initialize(): number {
    out.position = 0;
    try {
      const negotiated = negotiate(request, out, options.wantPassthrough);
      setImmediate(() => options.onReady(negotiated));
      return out.position;
    } catch (error) {
      log.error({ err: error }, (error as Error).message);
      setImmediate(() => options.onEnd(errnoOfError(error)));
      return -errnoOfError(error);
    }
  }

  if (session.reply.length < MAX_REQUEST_BYTES) throw new Error('reply buffer too small');
  return session;
}
