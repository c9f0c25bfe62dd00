/** What decides where files go, as it is shown. */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { scenario } from './harness.js';

const RULES = `rules:
  # rule 1
  - match: { path: "models/adapters/**" }
    place: { tier: nvme, pack: never }
  # rule 2
  - match: { class: model, larger: 1GiB }
    place: { tier: nvme, cold: hdd, promote: open }
`;

scenario(
  'the rules of a mount can be pasted into a file again',
  { mount: null },
  async (volume) => {
    const file = join(volume.root, 'rules.yaml');
    await writeFile(file, RULES);
    await volume.mount([`config=${file}`]);
    const shown = await volume.must('policy', 'show', volume.mountpoint);
    assert.match(shown, /^policy +balanced$/m);
    assert.match(shown, /^watermarks +high 85%, low 75%$/m);
    assert.equal(shown.slice(shown.indexOf('\nrules:') + 1), RULES);
    const { rules } = await volume.json<{ rules: string[] }>('policy', 'show', volume.mountpoint);
    assert.equal(rules.length, 2);
    await volume.remount();
    assert.match(await volume.must('policy', 'show', volume.mountpoint), /^No rules: /m);
  },
);
