/** The real shells: what a person sees who types, presses Tab and runs what is there. */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Shell } from '../../scripts/lib/completion/answer.ts';
import { needs } from '../support/needs.ts';
import { Pane } from './pane.ts';
import { type Playground, playground } from './playground.ts';

let place: Playground;
beforeAll(() => {
  place = playground();
});
afterAll(() => place.remove());

interface Setup {
  readonly argv: readonly string[];
  /** Lines before shell-init: what may be in somebody's start-up file and in the way. */
  readonly before: string;
  readonly init: string;
  readonly prompt: string;
}

const SETUPS: Readonly<Record<Shell, Setup>> = {
  bash: {
    argv: ['bash', '--noprofile', '--norc'],
    before: "set -u; shopt -s failglob; alias factory='factory -x'; alias fw='factory worker'",
    init: 'eval "$(factory-worker shell-init bash)"; complete -F _factory_worker fw',
    prompt: "PS1='$ '",
  },
  zsh: {
    argv: ['zsh', '-f'],
    before: "setopt NO_UNSET KSH_ARRAYS SH_WORD_SPLIT; alias factory='factory -x'; alias fw='factory worker'",
    init: 'eval "$(factory-worker shell-init zsh)"',
    prompt: "PS1='$ '",
  },
  fish: {
    argv: ['fish', '--no-config'],
    before: 'set -g fish_autosuggestion_enabled 0',
    init: "factory-worker shell-init fish | source; alias fw 'factory worker'",
    prompt: "function fish_prompt; echo -n '$ '; end",
  },
};

/** A look into a worker is given up after two seconds, which a busy machine may well take. */
const RETRY = { retry: 3 };

const installed = (shell: string) => spawnSync(shell, ['-c', 'exit 0']).status === 0;

describe.each(Object.entries(SETUPS))('%s', (shell, { argv, before, init, prompt }) => {
  describe('on a terminal', needs(installed(shell), shell), () => {
    let pane: Pane;
    beforeAll(async () => {
      pane = new Pane(argv, place.env);
      await pane.run(prompt);
      await pane.run(before);
      await pane.run(init);
      // That it was there must not have broken the script; with it, `factory` is what the person wants it to be.
      await pane.run(shell === 'fish' ? 'cd' : 'unalias factory; cd');
    });
    afterAll(() => pane?.close());

    it.each<[typed: string, completed: string]>([
      ['factory-worker disp', 'factory-worker dispatch Z'],
      ['factory worker disp', 'factory worker dispatch Z'],
      ['fw disp', 'fw dispatch Z'],
      ['factory wor', 'factory worker Z'],
      ['factory que', 'factory queue Z'],
      ['factory queue qu', 'factory queue queue Z'],
      ['factory-worker list --no-h', 'factory-worker list --no-headers Z'],
      ['factory-worker list -o wi', 'factory-worker list -o wide Z'],
      ['factory-worker list --output=wi', 'factory-worker list --output=wide Z'],
      ['factory-worker list lap', 'factory-worker list laptop Z'],
      ['factory-worker dispatch laptop --project dem', 'factory-worker dispatch laptop --project demo Z'],
      ['factory worker peek laptop -s orc', 'factory worker peek laptop -s orchestrator Z'],
      ['factory worker peek laptop --session=24', 'factory worker peek laptop --session=24-implement-1 Z'],
      ['factory worker peek laptop -s im', 'factory worker peek laptop -s implement Z'],
      ['fw peek "laptop" -s \'orc', `fw peek "laptop" -s 'orchestrator' Z`],
      ['ls; factory-worker shell-init zs', 'ls; factory-worker shell-init zsh Z'],
      ['factory-worker lisst ', 'factory-worker lisst Z'],
      ['factory-worker list laptop worker-1 worker-2 ', 'factory-worker list laptop worker-1 worker-2 Z'],
    ])('%s⇥', RETRY, async (typed, completed) => {
      expect(await pane.complete(typed)).toBe(completed);
    });

    it('names with spaces and dollars, with and without a quote', RETRY, async () => {
      expect(await pane.complete('fw peek laptop -s my')).toBe(String.raw`fw peek laptop -s my\ session Z`);
      expect(await pane.complete('fw peek laptop --session=pa')).toBe(
        String.raw`fw peek laptop --session=pay\ \$5 Z`,
      );
      expect(await pane.complete('fw peek laptop -s "my')).toBe('fw peek laptop -s "my session" Z');
    });

    it('the cursor in the middle of the line', async () => {
      expect(await pane.complete('factory-worker pe laptop -s x', ' laptop -s x'.length)).toMatch(
        /^factory-worker peek ?Z ?laptop -s x$/,
      );
    });

    it('files where a file is wanted', async () => {
      writeFileSync(join(place.dir, 'home', 'other workers.yaml'), 'workers: []\n');
      expect(await pane.complete('factory-worker list --workers oth')).toMatch(
        /^factory-worker list --workers other\\ workers\.yaml Z$/,
      );
      expect(await pane.complete('factory-worker list --workers=oth')).toMatch(
        /^factory-worker list --workers=other\\ workers\.yaml Z$/,
      );
    });

    it('nothing at all, and no message, with a broken workers.yaml', async () => {
      const file = join(place.dir, 'broken.yaml');
      writeFileSync(file, 'workers: [ {');
      writeFileSync(join(place.dir, 'home', 'a file'), '');
      await pane.run('clear');
      expect(await pane.complete(`factory-worker list --workers ${file} a`)).toBe(
        `factory-worker list --workers ${file} aZ`,
      );
      expect(
        pane
          .screen()
          .split('\n')
          .filter((line) => !/^(done|\$ .*)?$/.test(line)),
      ).toEqual([]);
    });

    it(
      'says what each candidate is',
      needs(shell !== 'bash', 'a shell that describes candidates'),
      async () => {
        await pane.run('clear');
        pane.press('C-u');
        pane.type('factory-worker ');
        pane.press('Tab');
        await pane.shows(/attach +(-- |\()Join a session/);
      },
    );

    it('runs what was completed', async () => {
      await pane.run('clear');
      await pane.complete('factory worker --vers');
      pane.press('BSpace', 'Enter');
      await pane.shows(/^factory-worker \d+\.\d+\.\d+$/m);
    });
  });

  describe('the function factory', needs(installed(shell), shell), () => {
    const evaluate = (script: string, path = String(place.env['PATH'])) => {
      const options = { env: { ...place.env, PATH: path }, encoding: 'utf8' } as const;
      const { status, stdout, stderr } = spawnSync(
        String(argv[0]),
        [...argv.slice(1), '-c', script],
        options,
      );
      return { status, stdout, stderr };
    };
    const setUp = `${init.split(';')[0]}\n`;

    it('reaches factory-worker, with arguments as they are', () => {
      const { status, stderr } = evaluate(`${setUp}factory worker list "a b" '$x'`);
      expect(stderr).toContain('no worker "a b" or "$x" in');
      expect(status).toBe(2);
    });

    it('reaches the program factory with everything else, and gives its exit code', () => {
      const outcome = evaluate(`${setUp}factory queue add 'a  b' worker`);
      expect(outcome).toEqual({ status: 7, stdout: 'real factory: queue add a  b worker\n', stderr: '' });
      expect(evaluate(`${setUp}factory`)).toMatchObject({ status: 7, stdout: 'real factory: \n' });
    });

    it('works without the program factory', () => {
      const dir = mkdtempSync(join(place.dir, 'bin-'));
      symlinkSync(join(place.dir, 'bin/factory-worker'), join(dir, 'factory-worker'));
      symlinkSync(process.execPath, join(dir, 'node'));
      const path = `${dir}:/usr/bin:/bin`;
      expect(evaluate(`${setUp}factory worker --version`, path).stdout).toMatch(/^factory-worker \d/);
      const { status, stderr } = evaluate(`${setUp}factory queue list`, path);
      expect(status).toBe(127);
      expect(stderr).toMatch(/factory/);
    });

    it('may be set up twice, and where factory is an alias', () => {
      const alias = shell === 'zsh' ? '' : "alias factory='factory'\n";
      expect(evaluate(`${alias}${setUp}${setUp}factory worker --version`).stdout).toMatch(
        /^factory-worker \d/,
      );
    });
  });
});

describe('bash', () => {
  /** Calls the function as readline does. Without compopt, which bash 3.2 does not have. */
  function reply(line: string, replaced: string, point = line.length): string[] {
    const script = `
      set -Eeuo pipefail
      enable -n compopt
      eval "$(factory-worker shell-init bash)"
      IFS=,
      COMP_LINE=$1 COMP_POINT=$2 COMP_TYPE=9 COMP_KEY=9
      read -r -a COMP_WORDS <<<"\${COMP_LINE// /,}"
      COMP_CWORD=$((\${#COMP_WORDS[@]} - 1))
      _factory_worker factory-worker "$3" "\${COMP_WORDS[COMP_CWORD > 0 ? COMP_CWORD - 1 : 0]}"
      [ \${#COMPREPLY[@]} -eq 0 ] || printf '%s\\n' "\${COMPREPLY[@]}"`;
    const args = ['--noprofile', '--norc', '-c', script, 'bash', line, String(point), replaced];
    const text = execFileSync('bash', args, { env: place.env, encoding: 'utf8' });
    return text.split('\n').slice(0, -1);
  }

  it.each<[line: string, replaced: string, words: string[]]>([
    ['factory-worker list ', '', ['laptop', 'worker-1', 'worker-2']],
    ['factory-worker list --output=', '', ['table', 'wide', 'json', 'yaml', 'name']],
    ['factory worker list w', 'w', ['worker-1', 'worker-2']],
    ['factory-worker list nothing-like-it', 'nothing-like-it', []],
    ['factory-worker list --workers ', '', []],
    ['factory-worker peek laptop -s my\\ ', 'my\\ ', ['my\\ session']],
    ["factory-worker peek laptop -s 'pay", 'pay', ['pay $5']],
  ])('COMPREPLY for %s', RETRY, (line, replaced, words) => {
    expect(reply(line, replaced)).toEqual(words);
  });

  it('looks at the line up to the cursor only', () => {
    expect(reply('factory-worker stat worker-1', 'stat', 'factory-worker stat'.length)).toEqual(['status']);
  });
});
