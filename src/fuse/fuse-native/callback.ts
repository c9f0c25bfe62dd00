/** What the callbacks of libfuse 2 share: their shape, and what they work on. */
import type { Operations, SetattrRequest } from '../operations.js';
import type { Sealed } from './encoding.js';
import type { Handles } from './handles.js';
import type { Paths } from './paths.js';
import type { ServedData } from './served-data.js';

export interface Served {
  operations: Operations;
  paths: Paths;
  handles: Handles;
  data: ServedData;
}

/** First the result (0, a count, or a negative errno), then what the binding wants beside it. */
export type Reply = readonly unknown[];

/** `args` are what the binding gives after the path. */
export interface Callback {
  run(served: Served, call: Sealed, ...args: never[]): Promise<Reply>;
  /** What the binding wants beside the errno of a call that failed. */
  beside(...args: never[]): readonly unknown[];
}

/** A callback that answers with its result alone. */
export function plain<Args extends never[]>(
  run: (served: Served, call: Sealed, ...args: Args) => Promise<void>,
): Callback {
  const answered = async (served: Served, call: Sealed, ...args: never[]) => {
    await run(served, call, ...(args as Args));
    return [0];
  };
  return { run: answered, beside: () => [] };
}

const NOTHING: Omit<SetattrRequest, 'ino' | 'valid'> = {
  size: 0,
  atimeSec: 0,
  atimeNsec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  mode: 0,
  uid: 0,
  gid: 0,
};

/** Changes the attributes that `valid` names. */
export async function setAttributes(
  { operations }: Served,
  { caller }: Sealed,
  request: Pick<SetattrRequest, 'ino' | 'valid'> & Partial<SetattrRequest>,
): Promise<void> {
  await operations.setattr(caller, { ...NOTHING, ...request });
}
