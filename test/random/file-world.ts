/** Files on a mount, each beside its model: handles, mappings, and the comparison. */
import type { TestVolume } from '../e2e/harness.js';
import { constants } from 'node:fs';
import { difference, FileModel } from './file-model.js';
import { Journal, type Chance } from './randomness.js';
import type { Syscalls } from './syscalls.js';

export const LIMIT = 1_500_000;
export const PAGE = 4096;
export const { O_RDONLY, O_RDWR, O_APPEND, O_DIRECT, O_TRUNC } = constants;

export interface Handle {
  fd: number;
  flags: number;
}

export interface Mapping {
  id: number;
  offset: number;
  length: number;
  writable: boolean;
}

export interface Subject {
  name: string;
  path: string;
  model: FileModel;
  handles: Handle[];
  maps: Mapping[];
}

export class FileWorld {
  readonly subjects: Subject[];
  readonly journal = new Journal();
  /** Forms that files were seen in: a run that never packed anything shows nothing. */
  readonly seen = new Set<string>();

  constructor(
    readonly volume: TestVolume,
    readonly calls: Syscalls,
    readonly chance: Chance,
    names: string[],
  ) {
    this.subjects = names.map((name) => ({
      name,
      path: volume.at(name),
      model: new FileModel(LIMIT),
      handles: [],
      maps: [],
    }));
  }

  /** Empty files whose names are durable. */
  async create(): Promise<void> {
    for (const { path } of this.subjects) {
      await this.calls.value('create', path, 0o644);
      await this.calls.value('syncPath', path);
    }
  }

  async open(subject: Subject, flags: number): Promise<Handle> {
    this.journal.note(subject.name, 'open', flags.toString(8));
    const fd = await this.calls.value<number>('open', subject.path, flags);
    if ((flags & O_TRUNC) !== 0) subject.model.truncate(0);
    const handle = { fd, flags };
    subject.handles.push(handle);
    return handle;
  }

  async close(subject: Subject, handle: Handle): Promise<void> {
    this.journal.note(subject.name, 'close', handle.fd);
    subject.handles.splice(subject.handles.indexOf(handle), 1);
    await this.calls.value('close', handle.fd);
  }

  /** An open handle that fits, or a new one with `flags`. */
  async handle(subject: Subject, fits: (handle: Handle) => boolean, flags: number) {
    const open = subject.handles.filter(fits);
    return open.length > 0 ? this.chance.pick(open) : this.open(subject, flags);
  }

  reader(subject: Subject): Promise<Handle> {
    return this.handle(subject, () => true, O_RDONLY);
  }

  writer(subject: Subject): Promise<Handle> {
    const fits = ({ flags }: Handle) => (flags & (O_RDWR | O_APPEND)) === O_RDWR;
    return this.handle(subject, fits, O_RDWR);
  }

  async unmap(subject: Subject, mapping: Mapping): Promise<void> {
    this.journal.note(subject.name, 'unmap', mapping.id);
    subject.maps.splice(subject.maps.indexOf(mapping), 1);
    await this.calls.value('unmap', mapping.id);
  }

  async closeAll(subject: Subject): Promise<void> {
    for (const mapping of [...subject.maps]) await this.unmap(subject, mapping);
    for (const handle of [...subject.handles]) await this.close(subject, handle);
  }

  compare(subject: Subject, actual: Buffer, offset: number, length: number, how: string): void {
    const wrong = difference(subject.model.read(offset, length), actual, offset);
    if (wrong !== null) throw new Error(`${subject.name}, ${how}: ${wrong}`);
  }

  /** The whole file as a program finds it that opens it now. */
  async check(subject: Subject, when: string): Promise<void> {
    const { size } = await this.calls.value<{ size: number }>('lstat', subject.path);
    if (size !== subject.model.size) {
      const sizes = `size ${String(size)} instead of ${String(subject.model.size)}`;
      throw new Error(`${subject.name}, ${when}: ${sizes}`);
    }
    const actual = await this.calls.take('readFile', subject.path);
    this.compare(subject, actual, 0, LIMIT, when);
  }

  async checkAll(when: string): Promise<void> {
    for (const subject of this.subjects) await this.check(subject, when);
  }
}
