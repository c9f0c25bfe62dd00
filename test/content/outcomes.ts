/** Calls that may fail, but only in the ways that they say. */
import assert from 'node:assert/strict';

/** Of a pack that is damaged as a whole. */
export const SCAN_ERRORS = ['EBADMSG', 'EPROTONOSUPPORT'];

/** The result, or the code of the error, which must be one of these. */
export async function orCode<T>(
  work: Promise<T>,
  codes: readonly string[],
): Promise<{ value: T } | { code: string }> {
  try {
    return { value: await work };
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    assert.ok(code !== undefined && codes.includes(code), `unexpected error: ${String(error)}`);
    return { code };
  }
}
