/** Runs one family as the user that this process belongs to: child.js FAMILY DIRECTORY ELSEWHERE. */
import { ordinary } from './cases.js';
import { FAMILIES } from './families.js';
import { runCases } from './run-cases.js';

const [name, directory, elsewhere] = process.argv.slice(2);
const family = FAMILIES.find((one) => one.name === name);
if (family === undefined) throw new Error(`no family is named ${name}`);
const env = {
  elsewhere,
  settle: () => Promise.resolve(),
  remount: () => Promise.reject(new Error('cases that remount are not run here')),
};
console.log(JSON.stringify(await runCases(family, ordinary, directory, env)));
