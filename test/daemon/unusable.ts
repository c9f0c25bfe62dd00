/** What `assert.rejects` is to accept where a volume or a tier is unusable. */
import assert from 'node:assert/strict';
import { CoralError, ExitCode } from '../../src/config/errors.js';

/** The message is one line that matches. */
export const unusable =
  (pattern: RegExp) =>
  (error: unknown): boolean => {
    assert.ok(error instanceof CoralError, String(error));
    assert.equal(error.exitCode, ExitCode.unusable);
    assert.match(error.message, pattern);
    assert.ok(!error.message.includes('\n'));
    return true;
  };
