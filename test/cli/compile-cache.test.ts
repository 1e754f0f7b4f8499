import { describe, expect, it, vi } from 'vitest';
import { cacheCompiledCode } from '../../scripts/lib/cli/compile-cache.ts';

describe('compiled code', () => {
  it.each([
    ['is kept in the folder', {}, [['/folder']]],
    ["leaves the operator's own folder as it is", { NODE_COMPILE_CACHE: '/own' }, []],
  ])('%s', (_, env, calls) => {
    const enable = vi.fn();
    cacheCompiledCode('/folder', env, enable);
    expect(enable.mock.calls).toEqual(calls);
  });

  it('is not kept by a Node that cannot', () => {
    expect(() => cacheCompiledCode('/folder', {}, undefined)).not.toThrow();
  });
});
