import { expect, it } from 'vitest';
import { until } from './until.ts';

it('gives what it waited for, past looks that fail', async () => {
  let looks = 0;
  const look = () => {
    looks += 1;
    return JSON.parse(looks < 3 ? '{"half":' : `{"looks": ${looks}}`) as { looks: number };
  };
  expect(await until('the file', look, ({ looks }) => looks === 4)).toEqual({ looks: 4 });
});

it.each([
  ['what it saw', () => ['23 pending'], "last seen: [ '23 pending' ]"],
  [
    'how the look failed',
    () => {
      throw new Error('no such file');
    },
    'last seen: Error: no such file',
  ],
])('says at its end %s', async (_, look, said) => {
  await expect(until('the row completed', look, () => false, 1)).rejects.toThrow(said);
});
