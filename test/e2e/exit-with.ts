/** `expect(answer).toExitWith(0)`: where it fails, the test says what the command printed, which is what tells why. */
import { expect } from 'vitest';
import type { Answer } from './operator.ts';

expect.extend({
  toExitWith({ code, stdout, stderr }: Answer, ...codes: number[]) {
    return {
      pass: codes.includes(code),
      message: () =>
        `the exit code is ${code}, ${this.isNot ? 'and should not be' : `not ${codes.join(' or ')}`}; it printed:\n${stdout}${stderr}`,
    };
  },
});

declare module 'vitest' {
  // biome-ignore lint/suspicious/noExplicitAny: the parameter as vitest declares it
  interface Matchers<T = any> {
    toExitWith(...codes: number[]): T;
  }
}
