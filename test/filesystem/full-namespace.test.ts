/** While the disk of the namespace takes nothing: nobody may write what would be lost. */
import assert from 'node:assert/strict';
import { test, type TestContext } from 'node:test';
import { waitFor } from '../../scripts/lib/process.js';
import { atEnd } from '../migration/world.js';
import { fails, ME, O_WRONLY, ROOT_INO, world, type World } from './world.js';

const WHITEOUT = 4;

/** As a full disk does, until the result is called. */
async function failStore(t: TestContext, w: World): Promise<() => void> {
  const failing = () => Promise.reject(Object.assign(new Error('full'), { code: 'ENOSPC' }));
  const store = w.store as unknown as { writeTransaction(): Promise<void> };
  const { mock } = t.mock.method(store, 'writeTransaction', failing);
  atEnd(t, () => mock.restore());
  await w.mkdir('any');
  await fails('ENOSPC', () => w.namespace.commit());
  return () => mock.restore();
}

test('no file is created that a full disk of the namespace would lose, and deleting goes on', async (t) => {
  const w = await world(t);
  const ino = await w.add('before', 'data');
  const ahead = w.namespace.spares();
  await waitFor('a file that was made ahead is used', async () =>
    ahead.includes(await w.add(String(Math.random()))),
  );
  const restore = await failStore(t, w);
  const spares = w.namespace.spares().length;
  const create = (name: string) => w.operations.create(ME, ROOT_INO, name, O_WRONLY, 0o644);
  for (let i = 0; i < 3; i++) await fails('ENOSPC', () => create(`file${i}`));
  assert.deepEqual([w.namespace.spares().length, w.filesystem.openHandles()], [spares, 0]);
  await fails('ENOSPC', () => w.operations.tmpfile(ME, ROOT_INO, O_WRONLY, 0o644));
  await fails('ENOSPC', () => w.mkdir('directory'));
  await fails('ENOSPC', () => w.operations.rename(ME, ROOT_INO, 'before', ROOT_INO, 'x', WHITEOUT));
  assert.equal(await w.find('before'), ino);
  await w.operations.unlink(ME, ROOT_INO, 'before');
  assert.equal(await w.find('before'), 0);
  restore();
  await w.namespace.commit();
  await w.add('after', 'data');
});
