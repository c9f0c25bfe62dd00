/**
 * channel=fuse-native: the same operations served through the npm package fuse-native, that is libfuse 2, for
 * systems where the native channel can't run. What it can't carry is listed in test/README.md.
 *
 * Life: 1. `start` mounts, and libfuse serves from threads of its own; 2. each call waits there until the
 * event loop answered it; 3. the mount ends and `onEnd` is called, or `stop` refuses all further calls.
 * One per process.
 */
import type { Log } from '../../observe/log.js';
import type { DataServer } from '../data-server.js';
import { errnoOf, errnoOfError, isSystemError } from '../errno.js';
import type { Operations } from '../operations.js';
import { ATTRIBUTE_CALLBACKS } from './attribute-callbacks.js';
import { loadFuse2, type Fuse2, type Handler, type Mount, type Waiter } from './binding.js';
import type { Callback, Reply, Served } from './callback.js';
import { unseal } from './encoding.js';
import { FILE_CALLBACKS } from './file-callbacks.js';
import { Handles } from './handles.js';
import { NAME_CALLBACKS } from './name-callbacks.js';
import { Paths } from './paths.js';
import { ServedData, type OnDamage } from './served-data.js';

export interface FuseNativeOptions {
  mountpoint: string;
  /** As libfuse takes them: `-o` and a list. */
  mountOptions: string;
  operations: Operations;
  log: Log;
  /** The kernel's handshake is done; requests follow. */
  onReady: () => void;
  /** The mount is gone. */
  onEnd: () => void;
  onDamage: OnDamage;
}

export interface FuseNativeChannel {
  readonly server: DataServer;
  /** Mounts. @throws Error; libfuse tells the reason on standard error */
  start(): void;
  /** Answers what is under way, refuses what comes then. The mount itself is taken away by others. */
  stop(): Promise<void>;
}

const CALLBACKS = { ...NAME_CALLBACKS, ...FILE_CALLBACKS, ...ATTRIBUTE_CALLBACKS };

/** @throws Error where the package has nothing for this machine */
export function createFuseNativeChannel(options: FuseNativeOptions): FuseNativeChannel {
  const { operations } = options;
  const served: Served = {
    operations,
    paths: new Paths(operations),
    handles: new Handles(),
    data: new ServedData(options.onDamage),
  };
  const fuse = loadFuse2(options.onEnd);
  const calls = new Calls(served, fuse, options.log);
  let mount: Mount | null = null;
  return {
    server: served.data,
    start() {
      const handlers = calls.handlers();
      handlers.set('init', (waiter) => {
        fuse.answer('init', waiter, [0]);
        setImmediate(options.onReady);
      });
      mount = fuse.mount(options.mountpoint, options.mountOptions, handlers);
    },
    async stop() {
      await calls.stop();
      served.data.close();
      mount?.release();
      mount = null;
    },
  };
}

/** Calls of libfuse's threads: each is answered exactly once. */
class Calls {
  private readonly underWay = new Set<Promise<void>>();
  private stopped = false;

  constructor(
    private readonly served: Served,
    private readonly fuse: Fuse2,
    private readonly log: Log,
  ) {}

  handlers(): Map<string, Handler> {
    const handlers = new Map<string, Handler>();
    for (const [name, callback] of Object.entries(CALLBACKS)) {
      handlers.set(name, (waiter, _opcode, path: string, ...args: never[]) =>
        this.begin(name, callback, waiter, path, args),
      );
    }
    return handlers;
  }

  private begin(name: string, callback: Callback, waiter: Waiter, path: string, args: never[]) {
    const call = this.answered(name, callback, path, args).then((reply) => {
      this.underWay.delete(call);
      this.fuse.answer(name, waiter, reply);
    });
    this.underWay.add(call);
  }

  /** Never rejects. */
  private async answered(
    name: string,
    callback: Callback,
    path: string,
    args: never[],
  ): Promise<Reply> {
    if (this.stopped) return [-errnoOf('ENOTCONN'), ...callback.beside(...args)];
    try {
      return await callback.run(this.served, unseal(path), ...args);
    } catch (error) {
      if (!isSystemError(error))
        this.log.error({ err: error, operation: name }, 'operation failed');
      return [-errnoOfError(error), ...callback.beside(...args)];
    }
  }

  async stop(): Promise<void> {
    this.stopped = true;
    await Promise.all(this.underWay);
  }
}
