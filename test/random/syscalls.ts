/** The test's side of syscalls.py: one system call after another in a process of its own. */
import { spawn, type ChildProcessByStdio } from 'node:child_process';
import type { Readable, Writable } from 'node:stream';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { checkout } from '../e2e/harness.js';

const PROGRAM = join(checkout, 'test/random/syscalls.py');
/** A call that takes longer hangs. */
const DEADLINE_MS = 60_000;

export class SyscallError extends Error {
  constructor(
    readonly code: string,
    call: string,
  ) {
    super(`${call}: ${code}`);
  }
}

interface Head {
  value: unknown;
  error: string | null;
  bytes: number;
}

type Argument = string | number | boolean;

export class Syscalls {
  private readonly child: ChildProcessByStdio<Writable, Readable, null>;
  private readonly answers: AsyncIterator<Buffer>;
  private pending: Buffer = Buffer.alloc(0);

  constructor() {
    this.child = spawn('python3', [PROGRAM], { stdio: ['pipe', 'pipe', 'inherit'] });
    // A process that is gone is found by the answer that does not come.
    this.child.stdin.on('error', () => undefined);
    this.answers = this.child.stdout[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Makes one call. @throws SyscallError with the errno's name. */
  async value<T = null>(call: string, ...args: Argument[]): Promise<T> {
    return (await this.ask(call, args, NOTHING)).value as T;
  }

  /** Makes one call that takes data. */
  async give<T = null>(call: string, data: Buffer, ...args: Argument[]): Promise<T> {
    return (await this.ask(call, args, data)).value as T;
  }

  /** Makes one call that returns data. */
  async take(call: string, ...args: Argument[]): Promise<Buffer> {
    return (await this.ask(call, args, NOTHING)).data;
  }

  private async ask(call: string, args: Argument[], data: Buffer) {
    const timer = setTimeout(() => this.child.kill('SIGKILL'), DEADLINE_MS);
    try {
      const request = JSON.stringify({ call, args, bytes: data.length });
      this.child.stdin.write(`${request}\n`);
      if (data.length > 0) this.child.stdin.write(data);
      const head = JSON.parse(String(await this.line())) as Head;
      const payload = await this.exactly(head.bytes);
      if (head.error !== null) throw new SyscallError(head.error, `${call}(${args.join(', ')})`);
      return { value: head.value, data: payload };
    } finally {
      clearTimeout(timer);
    }
  }

  private async line(): Promise<Buffer> {
    for (;;) {
      const end = this.pending.indexOf('\n');
      if (end >= 0) return this.cut(end + 1);
      await this.more();
    }
  }

  private async exactly(length: number): Promise<Buffer> {
    while (this.pending.length < length) await this.more();
    return this.cut(length);
  }

  private cut(length: number): Buffer {
    const head = this.pending.subarray(0, length);
    this.pending = this.pending.subarray(length);
    return head;
  }

  private async more(): Promise<void> {
    const { value, done } = await this.answers.next();
    if (done === true) throw new Error('the process that makes the system calls ended');
    this.pending = Buffer.concat([this.pending, value]);
  }

  /** Ends the process; everything it holds open is closed. */
  async end(): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const gone = new Promise((resolve) => this.child.on('exit', resolve));
    const timer = setTimeout(() => this.child.kill('SIGKILL'), 5000);
    this.child.stdin.end();
    await gone;
    clearTimeout(timer);
  }
}

const NOTHING = Buffer.alloc(0);

export function startSyscalls(context: TestContext): Syscalls {
  const calls = new Syscalls();
  context.after(() => calls.end());
  return calls;
}
