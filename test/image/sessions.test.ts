/** tmux, what its panes find and keep, and credentials that nobody may see. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { docker, removeWorkers, run, startWorker, until, type Worker } from './worker.ts';

const CLAUDE = `sk-ant-oat01-${'Canary42'.repeat(10)}AA`;
const GH = `ghp_${'Canary42'.repeat(4)}AAAA`;

let worker: Worker;
beforeAll(async () => {
  worker = await startWorker({
    docker: false,
    args: ['--env', 'SOME_TOKEN=env-canary-77'],
    secrets: { CLAUDE_CODE_OAUTH_TOKEN: `${CLAUDE}\n`, GH_TOKEN: `${GH}\r\n`, GH_USER: 'factory-bot\n' },
  });
  await worker.ready();
  await until('the orchestrator', async () => (await worker.phase('orchestrator'))?.status === 'ok');
});
afterAll(removeWorkers);

/** Types into a new pane and returns the file that it wrote. */
async function inPane(session: string, command: string): Promise<string> {
  await worker.must(
    `rm -f /tmp/said && tmux new-session -d -s "$1" -x 200 -y 50 && tmux send-keys -t "=$1:" "{ $2; } >/tmp/said.new 2>&1; mv /tmp/said.new /tmp/said" Enter`,
    session,
    command,
  );
  return until(`the pane ${session}`, async () => {
    const { code, stdout } = await worker.sh('cat /tmp/said');
    return code === 0 ? stdout.trim() : null;
  });
}

describe('tmux', () => {
  test('a new session has the size it asked for, however small an attached client is', async () => {
    // A client of 20 columns, and one that only looks.
    await worker.must(
      `export TERM=xterm-256color; for f in "" "-r"; do (sleep 60 | script -qfc "stty cols 20 rows 5; exec tmux attach $f -t =orchestrator" /dev/null) >/dev/null 2>&1 & done; for i in $(seq 1 50); do tmux list-clients -F "#{client_width}x#{client_height}" | grep -q 20x5 && break; sleep 0.2; done; tmux list-clients -F "#{client_width}x#{client_height}" | grep -q 20x5`,
    );
    await worker.must('tmux new-session -d -s sized -x 200 -y 50');
    expect(await worker.must('tmux display-message -p -t =sized: "#{window_width}x#{window_height}"')).toBe(
      '200x50',
    );
    await worker.must('tmux detach-client -a -s orchestrator; tmux detach-client -s orchestrator; true');
  });

  test.each(['xterm-256color', 'alacritty', 'tmux-256color', 'screen-256color'])(
    'a terminal of the kind %s is known',
    async (term) => {
      expect((await worker.sh(`infocmp ${term} >/dev/null`)).code).toBe(0);
    },
  );

  test('panes find go, factory and the rest; the environment reaches them, tokens do not', async () => {
    const said = await inPane(
      'finds',
      'command -v go factory claude gh git; echo HOME=$HOME LANG=$LANG SB=$IS_SANDBOX; env',
    );
    for (const path of [
      '/usr/local/go/bin/go',
      '/usr/local/bin/factory',
      '/usr/local/bin/claude',
      '/usr/local/bin/gh',
    ]) {
      expect(said).toContain(path);
    }
    expect(said).toContain('HOME=/root LANG=C.UTF-8 SB=1');
    expect(said).not.toMatch(/canary|TOKEN=/i);
  });

  test('box drawing survives', async () => {
    expect(await inPane('utf8', 'printf "┌─┐"; locale charmap')).toBe('┌─┐UTF-8');
  });

  test('the orchestrator session: a dead pane keeps what it printed and comes back', async () => {
    const pid = () => worker.must('tmux list-panes -t =orchestrator -F "#{pane_pid}"');
    const before = await pid();
    await worker.must(`kill -KILL ${before}`);
    await until(
      'its return',
      async () => {
        const now = await pid();
        const dead = await worker.must('tmux list-panes -t =orchestrator -F "#{pane_dead}"');
        return now !== before && dead === '0';
      },
      20,
    );
    expect(await worker.must('tmux capture-pane -p -t =orchestrator: -S - | grep -c waiting')).not.toBe('0');
  });

  test('every session ended by hand: the server stays, and the orchestrator session comes back', async () => {
    const server = () => worker.must('tmux display-message -p "#{pid}"');
    const before = await server();
    await worker.must(
      'tmux list-sessions -F "=#{session_name}" | while read -r name; do tmux kill-session -t "$name"; done',
    );
    await until(
      'the orchestrator session',
      async () => (await worker.sh('tmux has-session -t =orchestrator')).code === 0,
      20,
    );
    expect(await server()).toBe(before);
  });
});

describe('credentials', () => {
  test('reach claude, gh and git, trimmed, and a changed one reaches the next call', async () => {
    // The stand-ins show what the programs get.
    await worker.must(
      'printf "%s\\n" "#!/bin/sh" "echo \\"[\\$CLAUDE_CODE_OAUTH_TOKEN]\\"" >/usr/local/lib/factory-worker/libexec/claude.show && chmod +x /usr/local/lib/factory-worker/libexec/claude.show && mv /usr/local/lib/factory-worker/libexec/claude /tmp/claude.real && mv /usr/local/lib/factory-worker/libexec/claude.show /usr/local/lib/factory-worker/libexec/claude',
    );
    const ask = 'printf "protocol=https\\nhost=github.com\\n\\n" | git credential fill';
    expect(await worker.must('claude')).toBe(`[${CLAUDE}]`);
    expect(await worker.must(ask)).toContain(`password=${GH}`);
    worker.setSecret('CLAUDE_CODE_OAUTH_TOKEN', 'second\n');
    worker.setSecret('GH_TOKEN', 'second-gh\n');
    expect(await worker.must('claude')).toBe('[second]');
    expect(await worker.must(ask)).toContain('password=second-gh');
    worker.setSecret('CLAUDE_CODE_OAUTH_TOKEN', CLAUDE);
    worker.setSecret('GH_TOKEN', GH);
    await worker.must('mv /tmp/claude.real /usr/local/lib/factory-worker/libexec/claude');
  });

  test('git commits as the bot, and never sees what factory leaves in a clone', async () => {
    const said = await worker.must(
      'cd "$(mktemp -d)" && git init --quiet && mkdir .claude worktrees && touch .claude/x worktrees/y && git status --porcelain && git commit --quiet --allow-empty --message x && git log -1 --format="%an <%ae>"',
    );
    expect(said).toBe('factory-bot <factory-bot@users.noreply.github.com>');
  });

  test('a host that is not known is refused, not asked about', async () => {
    expect(
      await worker.must('ssh -G github.com | grep -E "^(stricthostkeychecking|globalknownhostsfile)"'),
    ).toMatch(/stricthostkeychecking (true|yes)/);
  });

  test('a key without its last newline works', async () => {
    await worker.must('ssh-keygen -q -t ed25519 -N "" -f /tmp/key');
    const key = await worker.must('cat /tmp/key');
    worker.setSecret('SSH_PRIVATE_KEY', key.trim());
    await worker.sh('/usr/local/lib/factory-worker/lib/ssh -o ConnectTimeout=1 127.0.0.1 true');
    expect(
      await worker.must(
        'stat --format %a "$WORKER_RUN_DIR/ssh-key"; ssh-keygen -y -f "$WORKER_RUN_DIR/ssh-key"',
      ),
    ).toBe(
      `600\n${(await worker.must('cut -d " " -f 1-2 /tmp/key.pub')).trim()} ${(await worker.must('cut -d " " -f 3- /tmp/key.pub')).trim()}`.trim(),
    );
  });

  test('a canary shows up nowhere', async () => {
    await worker.must('claude --version; gh auth status; true');
    const places = [
      await worker.must('ps axeww'),
      await worker.must('for p in /proc/[0-9]*; do tr "\\0" "\\n" <"$p/environ" 2>/dev/null; done; true'),
      await worker.must(
        'tmux show-environment -g; for s in $(tmux list-sessions -F "#{session_name}"); do tmux capture-pane -p -t "=$s:" -S -; done',
      ),
      await worker.must('cat "$WORKER_RUN_DIR"/*.json'),
      await worker.logs(),
      await docker('history', '--no-trunc', 'factory-worker:standins'),
      (await run(['grep', '-rIl', '-e', CLAUDE, '-e', GH, worker.state])).stdout,
    ];
    for (const [index, place] of places.entries()) {
      expect(place.includes(CLAUDE) || place.includes(GH), `place ${index}`).toBe(false);
    }
    expect(places[6]).toBe('');
  });
});

describe('recordings', () => {
  const recording = (session: string) => worker.sh(`cat "$WORKER_STATE_DIR/logs/sessions/${session}.log"`);

  test('what a pane printed outlives it, private, without tokens, however they are wrapped', async () => {
    await worker.must('tmux new-session -d -s recorded -x 80 -y 24');
    await new Promise((resolve) => setTimeout(resolve, 1000));
    await worker.must(
      `tmux send-keys -t =recorded: "export CLAUDE_CODE_OAUTH_TOKEN='${CLAUDE}'; echo first-words; printf '%s\\n' ${GH}" Enter`,
    );
    await until(
      'the recording',
      async () => (await recording('recorded')).stdout.includes('first-words'),
      20,
    );
    await worker.must('tmux kill-session -t =recorded');
    await until('its end', async () => (await recording('recorded')).stdout.includes('[redacted]'), 20);
    const { stdout } = await recording('recorded');
    const joined = stdout.replace(/\s|\u001b\[[0-9;?]*[A-Za-z]/g, '');
    expect(joined).not.toContain('Canary42Canary42');
    expect(joined.match(/\[redacted\]/g)?.length).toBeGreaterThanOrEqual(3);
    expect(await worker.must('stat --format %a "$WORKER_STATE_DIR/logs/sessions/recorded.log"')).toBe('600');
  });

  test('is short in the end', async () => {
    await worker.must(
      'tmux new-session -d -s long && sleep 1 && tmux send-keys -t =long: "seq 1 1200000" Enter',
    );
    const file = '"$WORKER_STATE_DIR/logs/sessions/long.log"';
    await until(
      'a second file',
      async () => (await worker.sh(`test -e ${file.slice(0, -1)}.1"`)).code === 0,
      90,
    );
    expect(Number(await worker.must(`stat --format %s ${file}`))).toBeLessThan(6 * 1024 * 1024);
  });
});

describe('claude’s state', () => {
  test('is seeded, on the volume, and survives a rename and a restart', async () => {
    const file = '/root/.factory/worker/claude/.claude.json';
    expect(JSON.parse(await worker.must(`cat ${file}`))).toMatchObject({ hasCompletedOnboarding: true });
    expect(
      await worker.must('jq .skipDangerousModePermissionPrompt "$CLAUDE_CONFIG_DIR/settings.json"'),
    ).toBe('true');
    await worker.must(`jq '.mine = 1' ${file} >${file}.tmp && mv ${file}.tmp ${file}`);
    await worker.must('git init --quiet "$WORKER_REPOS_DIR/new"');
    await until(
      'trust in a new clone',
      async () =>
        (await worker.must(
          `jq -r '.projects["/root/.factory/repos/new"].hasTrustDialogAccepted' ${file}`,
        )) === 'true',
      20,
    );
    await worker.crash();
    await worker.start();
    await worker.ready();
    expect(JSON.parse(await worker.must(`cat ${file}`))).toMatchObject({
      mine: 1,
      hasCompletedOnboarding: true,
    });
  });
});

test('somebody who comes in is told how it is, what is wrong, and three things to type', async () => {
  const enter = async () => {
    const shell = `docker exec -it ${worker.name} bash -ic true`;
    const { stdout, stderr } = await run(['script', '-qec', shell, '/dev/null']);
    return stdout + stderr;
  };
  const well = await enter();
  expect(well).toContain(`factory worker ${worker.name}: ok`);
  expect(well).not.toMatch(/failed|missing|refused|drained/);
  expect(well.match(/^ {2}(tmux attach|cat|tail) /gm)).toHaveLength(3);
  await worker.must('cat "$WORKER_RUN_DIR/boot.log" "$WORKER_STATE_DIR/logs/orchestrator.log" >/dev/null');

  worker.setSecret('GH_TOKEN', '');
  await worker.must('echo {} >"$WORKER_STATE_DIR/drain"');
  await until('the notes', async () => {
    const ill = await enter();
    return (
      ill.includes('credentials missing: GH_TOKEN missing: write') && ill.includes('orchestrator drained: ')
    );
  });
});
