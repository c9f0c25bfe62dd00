import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { mediumOfDevice } from '../../src/tiers/medium.js';
import { temporaryDirectory } from './volume-dirs.js';

test('a disk is taken for what the kernel says it is', async (t) => {
  const sys = await temporaryDirectory(t);
  const device = async (number: string, path: string, rotational?: string): Promise<void> => {
    await mkdir(join(sys, 'dev/block'), { recursive: true });
    await mkdir(join(sys, 'devices', path), { recursive: true });
    await symlink(`../../devices/${path}`, join(sys, 'dev/block', number));
    if (rotational === undefined)
      return void (await writeFile(join(sys, 'devices', path, 'partition'), '1'));
    await mkdir(join(sys, 'devices', path, 'queue'));
    await writeFile(join(sys, 'devices', path, 'queue/rotational'), `${rotational}\n`);
  };
  await device('259:0', 'pci/nvme0n1', '0');
  await device('259:1', 'pci/nvme0n1/nvme0n1p1');
  await device('8:0', 'pci/sda', '1');
  await device('8:1', 'pci/sda/sda1');
  await device('8:16', 'pci/sdb', '0');
  await device('7:0', 'virtual/loop0', '1');
  const found: Record<string, string> = {};
  for (const number of ['259:0', '259:1', '8:0', '8:1', '8:16', '7:0', '0:99']) {
    found[number] = await mediumOfDevice(number, sys);
  }
  assert.deepEqual(found, {
    '259:0': 'nvme',
    '259:1': 'nvme',
    '8:0': 'hdd',
    '8:1': 'hdd',
    '8:16': 'ssd',
    '7:0': 'ssd',
    '0:99': 'ssd',
  });
});
