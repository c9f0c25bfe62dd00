/** npm start: from a checkout to a mounted volume, and only what is still to do when run again. */
import assert from 'node:assert/strict';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { must, waitFor } from '../../scripts/lib/process.js';
import { checkout, exists, program, scenario, type Status, type TestVolume } from './harness.js';
import { MiB, noise, put } from './content.js';

const start = (volume: TestVolume) =>
  must('bash', [join(checkout, 'scripts/start')], {
    timeoutMs: 300_000,
    env: {
      ...process.env,
      CORAL_REEF_VOLUME: volume.path,
      CORAL_REEF_MOUNTPOINT: volume.mountpoint,
    },
  });

async function statusOf(volume: TestVolume): Promise<Status & { pid: number }> {
  return JSON.parse(await must(program, ['status', volume.mountpoint, '--json'])) as Status & {
    pid: number;
  };
}

scenario(
  'npm start makes a volume and mounts it, again and after a crash',
  { mount: null, timeoutMs: 600_000 },
  async (volume) => {
    await rm(volume.path, { recursive: true });
    const said = await start(volume);
    for (const tier of ['nvme', 'ssd', 'hdd']) assert.ok(said.includes(`/tiers/${tier}`), said);
    assert.match(said, new RegExp(`is mounted on ${volume.mountpoint}`));
    assert.match(said, /unmount/);
    const data = noise(MiB);
    await put(volume.at('models/base/m.bin'), data);
    await must('sync', [volume.at('models/base/m.bin')]);
    const { pid } = await statusOf(volume);

    assert.match(await start(volume), /already mounted/i);
    assert.equal((await statusOf(volume)).pid, pid);

    process.kill(pid, 'SIGKILL');
    await waitFor('the daemon is gone', async () => !(await exists(`/proc/${String(pid)}`)));
    await start(volume);
    assert.ok((await readFile(volume.at('models/base/m.bin'))).equals(data));
  },
);
