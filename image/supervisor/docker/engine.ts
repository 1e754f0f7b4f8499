/** The part of Docker's API that the supervisor needs, on its socket. */

export interface EngineInfo {
  readonly driver: string;
  readonly version: string;
  readonly cgroupVersion: string;
}

export interface Engine {
  /** Whether the daemon answers. */
  ping(): Promise<boolean>;
  /** @throws Error when it does not answer */
  info(): Promise<EngineInfo>;
  /** Ids of the running containers. @throws Error */
  running(): Promise<string[]>;
  /** Stops a container: SIGTERM, then SIGKILL after `graceSeconds`. @throws Error */
  stop(id: string, graceSeconds: number): Promise<void>;
}

const TIMEOUT_MS = 5_000;

/** @param socket path of the daemon's socket */
export function createEngine(socket: string): Engine {
  const call = async (method: 'GET' | 'POST', path: string, timeoutMs = TIMEOUT_MS): Promise<string> => {
    // Loaded when first needed: that takes Node 65 ms, during which dockerd is already starting.
    const { request } = await import('node:http');
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: socket, method, path, timeout: timeoutMs }, (answer) => {
        const chunks: Buffer[] = [];
        answer.on('data', (chunk: Buffer) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () => {
          const body = Buffer.concat(chunks).toString('utf8');
          const { statusCode = 0 } = answer;
          // 304: already in that state.
          if (statusCode < 300 || statusCode === 304) resolve(body);
          else
            reject(
              new Error(`Docker answers ${statusCode} to ${method} ${path}: ${body.slice(0, 300).trim()}`),
            );
        });
      });
      asked.on('timeout', () =>
        asked.destroy(new Error(`Docker does not answer within ${timeoutMs / 1000} s`)),
      );
      asked.on('error', reject);
      asked.end();
    });
  };

  return {
    ping: () =>
      call('GET', '/_ping').then(
        (body) => body === 'OK',
        () => false,
      ),
    async info() {
      const info = JSON.parse(await call('GET', '/info', 30_000)) as {
        Driver?: string;
        ServerVersion?: string;
        CgroupVersion?: string;
      };
      return {
        driver: info.Driver ?? 'none',
        version: info.ServerVersion ?? 'unknown',
        cgroupVersion: info.CgroupVersion ?? 'unknown',
      };
    },
    async running() {
      const containers = JSON.parse(await call('GET', '/containers/json')) as { Id: string }[];
      return containers.map(({ Id }) => Id);
    },
    async stop(id, graceSeconds) {
      await call('POST', `/containers/${id}/stop?t=${graceSeconds}`, (graceSeconds + 10) * 1000);
    },
  };
}
