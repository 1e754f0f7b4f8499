import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  describeListeners,
  parseListeners,
  parsePorts,
  portReader,
} from '../../scripts/lib/forward/ports.ts';
import type { Frame } from '../../scripts/lib/transport/frame.ts';
import { portForward } from '../../scripts/port-forward.ts';
import { fakeKubectl } from '../support/fake-kubectl.ts';
import { type HandWorker, handWorker } from '../support/hand-worker.ts';
import { run } from '../support/run-command.ts';

const frame = (listening: string, containers = ''): Frame => ({
  rc: 0,
  parts: new Map([
    ['listening', { rc: 0, text: listening }],
    ['containers', { rc: 0, text: containers }],
  ]),
});

describe('ports', () => {
  it.each([
    ['8080', { local: 8080, remote: 8080 }],
    ['18080:8080', { local: 18080, remote: 8080 }],
    [':8080', { local: 0, remote: 8080 }],
  ])('%s', (text, ports) => {
    expect(parsePorts(text)).toEqual(ports);
  });

  it.each(['0', '65536', 'http', '1:2:3', '8080:', '', '-1'])('"%s" is none', (text) => {
    expect(() => parsePorts(text)).toThrow(/is not a port/);
  });

  it('of programs and of containers, IPv6 and ranges among them', () => {
    const listeners = parseListeners(
      frame(
        '0100007F:0BB8\n00000000000000000000000000000000:1538',
        'stack-web-1\t0.0.0.0:8000-8001->8000-8001/tcp, :::8000-8001->8000-8001/tcp\nidle\t',
      ),
    );
    expect(describeListeners(listeners)).toBe('3000, 5432, 8000 (stack-web-1), 8001 (stack-web-1)');
  });
});

it('the local port is read once of what kubectl prints, in whichever pieces', () => {
  const read = portReader();
  const pieces = ['Forwarding from 127.0.0.1:42', '557 -> 3000\n', 'Forwarding from [::1]:42557 -> 3000\n'];
  expect([...pieces, 'Handling connection for 42557\n'].map(read)).toEqual([null, 42557, null, null]);
});

describe('port-forward', () => {
  let worker: HandWorker;
  let server: Server;
  beforeAll(async () => {
    worker = await handWorker();
    server = createServer().listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
  });
  afterAll(async () => {
    server.close();
    await worker.remove();
  });

  it('to a worker on this machine says that there is nothing to forward', async () => {
    const { port } = server.address() as { port: number };
    expect(await run(portForward, ['w', String(port)], { env: worker.laptop })).toMatchObject({
      code: 0,
      stderr: `there is nothing to forward: w is on this machine, and so is its port: localhost:${port}\n`,
    });
    expect((await run(portForward, ['w', '1'], { env: worker.laptop })).stderr).toContain(
      'nothing listens there now',
    );
  });

  it('without a port shows which there are; with --dry-run forwards none', async () => {
    const { port } = server.address() as { port: number };
    const kubectl = fakeKubectl(worker.cluster());
    const env = { KUBECTL: kubectl.path, ...worker.laptop };
    const shown = await run(portForward, ['worker-1', '-o', 'json'], { env });
    expect(JSON.parse(shown.stdout)).toContainEqual({ port, container: null });
    expect((await run(portForward, ['worker-1', '--no-headers'], { env })).stdout).toMatch(
      new RegExp(`^${port} +-$`, 'm'),
    );
    const dry = await run(portForward, ['worker-1', `18000:${port}`, '--dry-run'], { env });
    expect(dry).toMatchObject({ code: 0, stdout: `localhost:18000 → worker-1:${port}\n` });
    expect(kubectl.calls().flatMap(({ argv }) => argv)).not.toContain('port-forward');
    kubectl.remove();
  });

  it('comes back after a lost connection, on the local port it had', async () => {
    const forwarding = 'Forwarding from 127.0.0.1:45678 -> 3000\n';
    const kubectl = fakeKubectl([
      {
        match: ['port-forward', ':3000'],
        times: 1,
        stdout: forwarding,
        stderr: 'error: lost connection to pod\n',
        code: 1,
      },
      {
        match: ['port-forward', '45678:3000'],
        stdout: forwarding.replace('45678', '45679'),
      },
      ...worker.cluster(),
    ]);
    try {
      const { code, stdout, stderr } = await run(portForward, ['worker-1', ':3000', '-o', 'json'], {
        env: { KUBECTL: kubectl.path, ...worker.laptop },
        // What this kubectl then says is not what it was asked for, so that it can be told apart.
        interruptAt: 'localhost:45679',
      });
      expect(code).toBe(130);
      const lines = stdout
        .trim()
        .split('\n')
        .map((line) => JSON.parse(line) as { port: number });
      expect(lines.map(({ port }) => port)).toEqual([45678, 45679]);
      expect(lines[0]).toMatchObject({ worker: 'worker-1', address: 'localhost', remote: 3000 });
      expect(stderr).toMatch(
        /localhost:45678 → worker-1:3000 \(pod [^)]+\); Ctrl-C ends it\nthe connection to worker-1 was lost/,
      );
    } finally {
      kubectl.remove();
    }
  });

  it.each([
    [
      'Unable to listen on port 3000: … unable to listen on any of the requested ports: [{3000 3000}]',
      /cannot listen on port 3000[\s\S]*port-forward worker-1 :3000/,
    ],
    [
      'Error from server (Forbidden): pods "p" is forbidden: User "u" cannot create resource "pods/portforward" in API group ""',
      /verbs get and create on pods\/portforward/,
    ],
  ])('%s ends it', async (said, message) => {
    const kubectl = fakeKubectl([
      { match: ['port-forward'], stderr: `${said}\n`, code: 1 },
      ...worker.cluster(),
    ]);
    try {
      const { code, stderr } = await run(portForward, ['worker-1', '3000'], {
        env: { KUBECTL: kubectl.path, ...worker.laptop },
      });
      expect([code, stderr]).toEqual([1, expect.stringMatching(message)]);
    } finally {
      kubectl.remove();
    }
  });
});
