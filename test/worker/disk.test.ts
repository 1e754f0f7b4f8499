import { describe, expect, it } from 'vitest';
import { describeFull, parseDisks, shareUsed } from '../../scripts/lib/worker/disk.ts';

const HEADER = 'Filesystem 1-blocks Used Available Capacity Mounted on\n';

describe('df', () => {
  it.each([
    ['a disk', `${HEADER}/dev/vda 1000 250 750 25% /root/my disk`, [['/root/my disk', 1000, 750]]],
    [
      'several, without a header',
      '/dev/a 10 4 6 40% /\n/dev/b 10 9 1 90% /tmp',
      [
        ['/', 10, 6],
        ['/tmp', 10, 1],
      ],
    ],
    // A quota, or root's reserve: 160 of it are nobody's here.
    ['one of which not all can be used', `${HEADER}/dev/vda 252 52 40 57% /`, [['/', 92, 40]]],
    ['nothing', '', []],
    ['only a header', HEADER, []],
  ])('tells of %s', (_, text, disks) => {
    expect(parseDisks(text).map(({ mount, sizeBytes, freeBytes }) => [mount, sizeBytes, freeBytes])).toEqual(
      disks,
    );
  });
});

describe('how full a disk is', () => {
  it('is said as df says it', () => {
    const [disk] = parseDisks('/dev/vda 252 52 40 57% /root/.factory');
    expect(disk && describeFull(disk)).toBe('/root/.factory is 56% full');
  });

  it('is nothing where there is no size', () => {
    expect(shareUsed({ mount: '/', sizeBytes: 0, freeBytes: 0 })).toBe(0);
  });
});
