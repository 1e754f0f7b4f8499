/** Docker inside the worker. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { docker, loadBox, loadStack, removeWorkers, startWorker, until, type Worker } from './worker.ts';

let worker: Worker;
beforeAll(async () => {
  worker = await startWorker({ memory: '4g' });
  await worker.ready();
  await loadBox(worker);
});
afterAll(removeWorkers);

describe('containers', () => {
  test('run, with the MTU and the storage that the pod asks for', async () => {
    expect(await worker.must('docker run --rm box cat /sys/class/net/eth0/mtu')).toBe(
      await worker.must('cat /sys/class/net/eth0/mtu'),
    );
    expect(
      await worker.must('docker info --format "{{.Driver}} {{.LoggingDriver}} {{.LiveRestoreEnabled}}"'),
    ).toBe('overlay2 local true');
  });

  test('are built', async () => {
    await worker.must(
      `mkdir -p /tmp/b && cd /tmp/b && printf 'FROM box\\nRUN echo built >/x\\nCMD ["cat", "/x"]\\n' >Dockerfile && docker build --quiet --tag built . >&2`,
    );
    expect(await worker.must('docker run --rm built')).toBe('built');
  });

  test('reach the network, and the names that the pod knows', async () => {
    const gateway = await worker.must("ip route | awk '/^default/ { print $3 }'");
    expect((await worker.sh(`docker run --rm box ping -c 1 -W 3 ${gateway}`)).code).toBe(0);
  });

  test('live below the pod’s own cgroup, whatever they ask for', async () => {
    await worker.must('docker run --detach --name below box sleep 600');
    const id = await docker('inspect', '--format', '{{.Id}}', worker.name);
    const pid = await worker.must('docker inspect --format "{{.State.Pid}}" below');
    const seen = await worker.must(`cat /proc/${pid}/cgroup | grep -E ':memory:|^0::'`);
    // From outside: the process is a member of a cgroup below the container's.
    const outside = await docker('top', worker.name, '-o', 'pid,args').catch(() => '');
    expect(outside).toContain('sleep 600');
    expect(seen).toMatch(/docker\/[0-9a-f]{64}/);
    const parent = await worker.must(
      'ls /sys/fs/cgroup/memory/docker 2>/dev/null || ls /sys/fs/cgroup/docker',
    );
    expect(parent).toMatch(/[0-9a-f]{64}/);
    expect(id).toHaveLength(64);
    await worker.must('docker rm --force below');
  });

  test('nothing listens on TCP', async () => {
    expect(await worker.must('ss --no-header --listening --tcp --numeric')).toBe('');
  });

  test('an address that the pod itself uses is not given away', async () => {
    const own = await worker.must("ip -4 -o addr show eth0 | awk '{ print $4 }'");
    const bridge = await worker.must("ip -4 -o addr show docker0 | awk '{ print $4 }'");
    expect(bridge.split('.').slice(0, 2)).not.toEqual(own.split('.').slice(0, 2));
  });
});

test('compose: PostgreSQL, a backend that queries it, a frontend, over HTTP', async () => {
  await loadStack(worker);
  const files: Record<string, string> = {
    'compose.yaml': `services:
  db:
    image: stack
    command: ["bash", "/app/db.sh"]
    volumes: [".:/app:ro"]
    healthcheck: {test: ["CMD", "su", "postgres", "-c", "psql -tAc 'select 1'"], interval: 1s, timeout: 5s, retries: 60}
  backend:
    image: stack
    command: ["python3", "/app/backend.py"]
    volumes: [".:/app:ro"]
    depends_on: {db: {condition: service_healthy}}
  web:
    image: stack
    command: ["python3", "/app/web.py"]
    volumes: [".:/app:ro"]
    ports: ["8080:8080"]
    depends_on: [backend]
`,
    'db.sh': `set -e
d=/tmp/data; mkdir -p $d; chown postgres $d; bin=$(ls -d /usr/lib/postgresql/*/bin)
su postgres -c "$bin/initdb --auth trust $d >/dev/null"
echo "host all all 0.0.0.0/0 trust" >>$d/pg_hba.conf
mkdir -p /var/run/postgresql; chown postgres /var/run/postgresql
exec su postgres -c "$bin/postgres -D $d -c listen_addresses='*'"
`,
    'backend.py': `import http.server, subprocess
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        said = subprocess.run(["psql", "-h", "db", "-U", "postgres", "-tAc", "select 6 * 7"], capture_output=True, text=True)
        self.send_response(200); self.end_headers(); self.wfile.write((said.stdout + said.stderr).encode())
http.server.HTTPServer(("", 9000), H).serve_forever()
`,
    'web.py': `import http.server, urllib.request
class H(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        answer = urllib.request.urlopen("http://backend:9000/", timeout=20).read().decode().strip()
        self.send_response(200); self.end_headers(); self.wfile.write(f"<h1>{answer}</h1>".encode())
http.server.HTTPServer(("", 8080), H).serve_forever()
`,
  };
  await worker.must('mkdir -p /root/.factory/stack');
  for (const [name, text] of Object.entries(files)) writeFileSync(join(worker.state, 'stack', name), text);
  await worker.must('cd /root/.factory/stack && docker compose up --detach --wait --wait-timeout 90 2>&1');
  const page = await until('the page', async () => {
    const { code, stdout } = await worker.sh('curl --silent --fail --max-time 20 http://localhost:8080/');
    return code === 0 ? stdout : null;
  });
  expect(page).toBe('<h1>42</h1>');
  // The stack's own network, not only docker0.
  const web = await worker.must(
    'docker compose --project-directory /root/.factory/stack exec web cat /sys/class/net/eth0/mtu',
  );
  expect(web).toBe(await worker.must('cat /sys/class/net/eth0/mtu'));
});

describe('dockerd', () => {
  const pids = async () => worker.must('tmux display-message -p "#{pid}"; pgrep -o --full supervisor.js');

  test('killed: it is back within seconds, tmux and containers untouched, and it is told why', async () => {
    await worker.must('docker run --detach --name survivor box sleep 600');
    const before = await pids();
    await worker.must('pkill -KILL -x dockerd');
    const down = await until('the note of its death', async () => {
      const phase = await worker.phase('docker');
      return phase?.status === 'failed' ? phase : null;
    });
    expect(down.message).toMatch(
      /^dockerd ended with exit code 137: .* \(started again in 1\.0s, attempt 1; log: /s,
    );
    expect(await worker.health('ready')).toMatch(/^fail: Docker: dockerd ended/);
    await worker.ready(60);
    expect(await pids()).toBe(before);
    expect(await worker.must('docker inspect --format "{{.State.Running}}" survivor')).toBe('true');
    await worker.must('docker rm --force survivor');
  });

  test('its log stays bounded', async () => {
    const log = '/var/log/factory-worker/dockerd.log';
    await worker.must(`head -c 20000000 /dev/zero | tr '\\0' 'x' >>${log}`);
    await until(
      'a short log',
      async () => Number(await worker.must(`stat --format %s ${log}`)) < 1_000_000,
      20,
    );
    const rest = Number(await worker.must(`stat --format %s ${log}.1`));
    expect(rest).toBeLessThanOrEqual(10 * 1024 * 1024);
    // dockerd goes on writing into the same file, behind what was cut off.
    await worker.must('docker run --rm nosuchimage.invalid/x:y 2>/dev/null || true');
    expect(await worker.must(`tail -c 4000 ${log}`)).toMatch(/level=/);
  });

  test('after a hundred containers and ten deaths of tmux there is no zombie', async () => {
    for (let round = 0; round < 25; round += 1) {
      await worker.must('for i in 1 2 3 4; do docker run --rm --network none box true & done; wait');
    }
    for (let round = 0; round < 10; round += 1) {
      await worker.must(
        'tmux kill-server; until tmux has-session -t =orchestrator 2>/dev/null; do sleep 0.2; done',
      );
    }
    expect(await worker.must("ps -eo stat,args | awk '$1 ~ /^Z/'")).toBe('');
  }, 400_000);
});

test('a Docker that cannot start: sessions are there, the reason is told, and it is tried again', async () => {
  const broken = await startWorker({
    args: ['--volume', '/dev/null:/usr/sbin/iptables-nft:ro', '--tmpfs', '/etc/docker:ro'],
  });
  await until('the startup probe', async () => (await broken.health('startup')) === 'ok');
  const phase = await until('the reason', async () => {
    const now = await broken.phase('docker');
    return now?.status === 'failed' ? now : null;
  });
  expect(phase.message).not.toBe('');
  expect(await broken.health('ready')).toMatch(/^fail: Docker: /);
  await until(
    'the orchestrator session',
    async () => (await broken.sh('tmux has-session -t =orchestrator')).code === 0,
    20,
  );
  await until(
    'another attempt',
    async () => (await broken.phase('docker'))?.message.includes('attempt 3'),
    180,
  );
  expect(await broken.health('live')).toBe('ok');
});
