/**
 * What the commands print with `-o json` and `-o yaml`, as JSON Schemas. `make docs` writes them to docs/schemas/, for users
 * to point at. Nothing reads them when a command runs: the tests hold every output against them (test/support/published.ts).
 *
 * An object has exactly the fields that are named here. Words that a newer worker or another build of `factory` may extend are
 * plain texts.
 */
import { OUTPUT_SCHEMA } from './cli/output.ts';

interface Schema {
  readonly type?: string | readonly string[];
  readonly [keyword: string]: unknown;
}

const text = (description?: string): Schema => ({ type: 'string', ...(description ? { description } : {}) });
const number = (description?: string): Schema => ({
  type: 'number',
  ...(description ? { description } : {}),
});
const whole = (description?: string): Schema => ({
  type: 'integer',
  ...(description ? { description } : {}),
});
const flag = (description?: string): Schema => ({ type: 'boolean', ...(description ? { description } : {}) });
const time = text('RFC 3339');
const seconds = number('seconds since 1970, by the clock of the worker');
const bytes = number('bytes');
const texts: Schema = { type: 'array', items: text() };
const issues: Schema = { type: 'array', items: whole() };
/** Lines for people: what to type, and why. */
const next: Schema = { ...texts, description: 'what to type next, and what for' };

const list = (items: Schema): Schema => ({ type: 'array', items });
const oneOf = (...words: readonly string[]): Schema => ({ type: 'string', enum: words });
const literally = (value: unknown): Schema => ({ const: value });

/** @param optional fields that are left out where they do not apply */
const object = (properties: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema => ({
  type: 'object',
  properties: { ...properties, ...optional },
  required: Object.keys(properties),
  additionalProperties: false,
});

/** The same, or null. */
function orNull(schema: Schema): Schema {
  if (typeof schema.type !== 'string' || schema['enum'] !== undefined) {
    return { anyOf: [schema, { type: 'null' }] };
  }
  return { ...schema, type: [schema.type, 'null'] };
}

/** A whole document: an object says by which version of these schemas it was printed. */
const document = (properties: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema =>
  object({ schema: literally(OUTPUT_SCHEMA), ...properties }, optional);

/** A shared shape, so that a file has it once, below `definitions`. */
const shapes: Record<string, Schema> = {};
function shared(name: string, shape: Schema): Schema {
  shapes[name] = shape;
  return { $ref: `#/definitions/${name}` };
}

// --- what several commands print ------------------------------------------------------------------------------------

const clusterFields = {
  runtime: literally('kubernetes'),
  name: text(),
  pod: text('the name of the Deployment, StatefulSet or pod'),
  namespace: text(),
  context: text('context of kubectl'),
};
const clusterOptions = { container: text(), kubeconfig: text(), keepConnection: text() };
const localFields = {
  runtime: literally('local'),
  name: text(),
  home: text('its folder on this machine'),
};

/** An entry of workers.yaml, and what a command says of that worker. */
const ofWorker = (make: typeof object, more: Record<string, Schema>): Schema => ({
  anyOf: [make({ ...clusterFields, ...more }, clusterOptions), make({ ...localFields, ...more })],
});

const status = oneOf(
  'unreachable',
  'forbidden',
  'unauthorized',
  'missing',
  'stopped',
  'pending',
  'image-pull',
  'node-lost',
  'crash-looping',
  'starting',
  'draining',
  'drained',
  'stuck',
  'degraded',
  'running',
);

const problemFields = {
  id: text('stable, for programs: drained, pipeline-blocked'),
  severity: oneOf('error', 'warning', 'info'),
  cause: text('one sentence'),
  next,
};
const problems = list(shared('problem', object(problemFields)));

const lastSeen = orNull(
  shared('lastSeen', {
    ...object({
      schema: whole(),
      at: time,
      items: list(object({ name: text('demo#23'), stage: orNull(text()) })),
    }),
    description: 'what this machine last saw of a worker that cannot be reached now',
  }),
);

const pipeline = shared(
  'pipeline',
  object({
    issue: whole(),
    title: text(),
    status: text('in_progress, blocked, completed, failed, pending, rate_limited'),
    stage: text(),
    attempt: number(),
    session: text('empty, or the name of its session, which may have ended'),
    sessionState: text(),
    branch: text(),
  }),
);

const queueItem = shared(
  'queueItem',
  object({
    issue: whole(),
    status: text('pending, active, completed, failed'),
    position: number(),
    intent: text(),
    addedAt: text('RFC 3339; empty when unknown'),
    project: orNull(text('the project by the word of factory itself')),
    namespace: text('owner/repo, or empty'),
    configPath: text('path of its pipeline.yaml in the worker, or empty'),
    dependsOn: issues,
    owner: orNull(text('the project it belongs to; null when nothing says so')),
    pipeline: orNull(pipeline),
  }),
);

const database = shared(
  'database',
  object(
    { kind: text('sqlite, postgres, url'), state: text('ready, starting, down, failed') },
    { says: text(), urlHash: text('short hash of its DATABASE_URL; only of kind url') },
  ),
);

const boot = orNull(
  shared(
    'boot',
    object(
      {
        schema: whole(),
        bootId: text(),
        podUid: orNull(text()),
        image: orNull(text()),
        startedAt: time,
        finishedAt: orNull(time),
        phases: list(
          object({
            name: text(),
            status: text('running, ok, off, missing, failed'),
            startedAt: time,
            ms: number('milliseconds'),
            message: text(),
          }),
        ),
      },
      { database },
    ),
  ),
);

const heartbeat = orNull(
  shared(
    'heartbeat',
    object(
      {
        schema: whole(),
        state: text('checking-in, waiting, drained, refused'),
        reason: orNull(text()),
        pid: whole(),
        project: orNull(text()),
        startedAt: time,
        finishedAt: orNull(time),
        intervalSeconds: number(),
        actions: list(
          object({ issue: whole(), action: text() }, { stage: text(), session: text(), message: text() }),
        ),
      },
      {
        account: orNull({
          ...object({
            cause: text(),
            text: text(),
            since: time,
            until: orNull(time),
            probeAt: orNull(time),
            sessions: texts,
          }),
          description: "why claude's account does not work, while no work is taken because of it",
        }),
        clones: list(
          object({
            project: text(),
            cause: text(),
            text: text(),
            said: text(),
            subject: text(),
            since: time,
            holds: flag('whether no row of the project is taken while it lasts'),
          }),
        ),
        database,
        asks: orNull(text('the session whose agent asks the operator; its stage waits until it is answered')),
      },
    ),
  ),
);

const drain = orNull(
  shared(
    'drain',
    object({
      schema: whole(),
      by: text(),
      host: text(),
      since: text('RFC 3339; empty when unknown'),
      reason: text(),
      release: orNull(text('the release, or the command, that lifts it again; null: a person did it')),
    }),
  ),
);

const disk = orNull(
  shared(
    'disk',
    object({ mount: text(), sizeBytes: bytes, freeBytes: bytes }, { freeInodesPercent: orNull(number()) }),
  ),
);

const sessionRows = list(
  object({
    name: text(),
    stage: orNull(text('null for sessions that factory did not create; so are the next three')),
    attempt: orNull(whole()),
    issue: orNull(whole()),
    project: orNull(text()),
    state: oneOf('active', 'idle', 'exited'),
    exitCode: orNull(whole()),
    createdAt: time,
    activityAt: text('RFC 3339, of the last output'),
    attached: whole('how many terminals are attached'),
    human: orNull(flag('whether factory takes it as human-driven; null where that does not matter')),
  }),
);

const savedState = {
  database: orNull(text('sqlite, postgres, url, none; null: unknown')),
  schema: orNull(whole('of the database')),
  rows: orNull(number()),
  newest: orNull(number('the largest row id that was ever assigned')),
  integrity: orNull(text('ok, or what is wrong')),
};
/** Of `restore --import`. */
const imported = list(
  object({ issue: whole(), project: text('may be empty'), fate: oneOf('add', 'goes-on', 'waits') }),
);
const { schema: databaseSchema, ...savedRest } = savedState;
const backupFields = { file: text('on the worker'), bytes, sha256: text() };
const backupCopy = { copy: orNull(text('the copy on this machine')) };

const record = shared(
  'record',
  object(
    {
      schema: whole(),
      id: text(),
      kind: oneOf('rollout', 'rollback', 'restart'),
      worker: object({ name: text(), context: text(), namespace: text(), pod: text() }),
      by: text(),
      replaces: orNull(text('the abandoned release that this one continues')),
      pid: whole('of the process on this machine'),
      startedAt: time,
      finishedAt: orNull(time),
      image: text(),
      previous: object({ image: text(), revision: orNull(whole('of Helm')), podUid: orNull(text()) }),
      state: oneOf('running', 'rolling-back', 'done', 'failed', 'rolled-back', 'abandoned'),
      step: orNull(text('the last step that was begun')),
      done: texts,
      backup: orNull(object({ ...backupFields, ...savedState, ...backupCopy })),
      migration: flag('whether the new factory has another schema or dialect'),
      build: { description: 'build.json of the image, if it has one' },
      seconds: { type: 'object', additionalProperties: number(), description: 'how long each step took' },
      why: orNull(text('why it failed')),
    },
    {
      imports: orNull(text('the release from whose former database rows are imported; null: none are')),
      imported: orNull(
        object({
          added: whole(),
          goesOn: { ...texts, description: 'go on by their pipelines, without a row' },
          waits: { ...texts, description: 'left out, since they wait for a row that has failed' },
        }),
      ),
    },
  ),
);

const releaseResults = list(
  object(
    {
      worker: text(),
      result: oneOf(
        'unchanged',
        'planned',
        'untouched',
        'running',
        'rolling-back',
        'done',
        'failed',
        'rolled-back',
        'abandoned',
      ),
      image: text(),
      why: orNull(text()),
      record: orNull(record),
    },
    { commands: { ...texts, description: 'with --dry-run' }, exitCode: whole() },
  ),
);

/** Of one worker a document, of several a list, in which there is an error in the place of what failed. */
const severally = (properties: Record<string, Schema>, optional: Record<string, Schema> = {}): Schema[] => [
  document(properties, optional),
  list({
    anyOf: [
      object(properties, optional),
      object({ worker: text(), error: object({ message: text(), hints: next, exitCode: whole() }) }),
      object({ worker: text(), exitCode: whole() }),
    ],
  }),
];

/** A plan, and with `status` what came of it. */
const planFields: readonly [Record<string, Schema>, Record<string, Schema>] = [
  {
    worker: text(),
    dryRun: flag(),
    steps: list(
      object({
        name: text(),
        mark: oneOf('+', '~', '-', '=', '·'),
        what: text('for people; may have several lines'),
        commands: texts,
      }),
    ),
    notes: texts,
  },
  { status: text('how the worker is now; absent with --dry-run'), next },
];

const dialogFields = {
  question: text(),
  text: { ...texts, description: 'the dialog as it is drawn, line by line' },
  choices: list(object({ number: whole(), label: text(), description: text() })),
  multiple: flag('whether several may be chosen'),
};

const whyFields = {
  name: text(),
  status,
  lastSeen,
  findings: list(object({ ...problemFields, evidence: texts })),
};

const sizes = list(object({ name: text(), bytes }));

// --- by command -----------------------------------------------------------------------------------------------------

/** By the name of the command; with several, by what is asked of it. */
export const OUTPUT_SCHEMAS: Readonly<Record<string, readonly Schema[]>> = {
  list: [
    list(
      ofWorker(object, {
        status,
        problems,
        node: orNull(text()),
        image: orNull(text()),
        sessions: orNull({ ...texts, description: 'null when unknown; so is the queue' }),
        queue: orNull(list(object({ project: orNull(text()), issue: whole(), status: text() }))),
        lastSeen,
      }),
    ),
  ],
  status: [
    ofWorker(document, {
      status,
      problems,
      kubernetes: orNull(
        shared(
          'pod',
          object({
            name: text(),
            container: text(),
            state: text(),
            enterable: flag(),
            ready: flag(),
            reason: text(),
            node: orNull(text()),
            image: orNull(text()),
            restarts: whole(),
            startedAt: orNull(time),
          }),
        ),
      ),
      snapshot: orNull(
        shared('snapshot', {
          ...object({
            now: orNull(seconds),
            sessions: list(
              object({
                name: text(),
                stage: orNull(object({ issue: whole(), stage: text(), attempt: whole() })),
                createdAt: seconds,
                activityAt: seconds,
                attached: whole(),
                exited: {
                  type: ['integer', 'string', 'null'],
                  description: 'exit code, or "unknown", of a program that has ended; null while it runs',
                },
              }),
            ),
            queue: list(queueItem),
            pipelines: list(pipeline),
            clones: list(object({ project: text(), url: text() })),
            boot,
            heartbeat,
            drain,
            repairs: list(
              object({
                at: time,
                issue: whole(),
                stage: text(),
                attempt: whole(),
                session: text(),
                action: text(),
                cure: text(),
              }),
            ),
            locks: object({ boot: flag(), checkIn: flag() }),
            dialect: orNull(
              object({
                name: oneOf('design', 'A', 'B'),
                addByProject: flag(),
                config: oneOf('none', 'optional', 'required'),
                dependsOn: flag(),
                intent: flag(),
                postgres: flag(),
              }),
            ),
            disk,
            faults: list(object({ part: text(), message: text() })),
          }),
          description: 'what was found in the worker; null when it could not be entered',
        }),
      ),
      lastSeen,
    }),
  ],
  why: [document(whyFields), list(object(whyFields))],
  usage: [
    list(
      object({
        name: text(),
        usage: orNull(
          object({
            disk,
            dockerDisk: disk,
            memory: orNull(object({ usedBytes: bytes, limitBytes: orNull(bytes) })),
            docker: orNull(list(object({ type: text(), bytes, reclaimableBytes: bytes }))),
            worktrees: sizes,
            clones: sizes,
            logsBytes: bytes,
            backupsBytes: bytes,
            agentsBytes: bytes,
            pipelinesBytes: bytes,
            databaseBytes: bytes,
          }),
        ),
        error: orNull(text('why it is unknown')),
      }),
    ),
  ],
  watch: [
    document(
      {
        at: time,
        worker: text(),
        event: oneOf(
          'issue-completed',
          'issue-failed',
          'issue-blocked',
          'session-waits',
          'limit-hit',
          'worker-trouble',
          'worker-warning',
          'worker-note',
          'worker-recovered',
        ),
        subject: text("demo#23, 23-qa-1, or the worker's status"),
        text: text('one sentence'),
        next,
      },
      { workers: { ...texts, description: 'where one event stands for those of several workers' } },
    ),
  ],
  dispatch: [
    document({
      worker: text(),
      project: text(),
      outcomes: list(object({ issue: whole(), outcome: text(), detail: text() })),
      problems,
    }),
  ],
  queue: [
    list(queueItem),
    document({
      worker: text(),
      outcomes: list(
        object(
          { issue: whole(), ok: flag(), message: text() },
          { next: object({ why: text(), command: texts }) },
        ),
      ),
    }),
    document({ worker: text(), dryRun: flag(), order: issues }),
  ],
  projects: [
    list(
      object({
        name: text(),
        repo: text('owner/name, a URL or a path; empty when the clone has no origin'),
        from: oneOf('release', 'request', 'hand'),
        state: oneOf('ready', 'cloning', 'failed'),
        message: text(),
        open: { ...texts, description: 'its unfinished issues: demo#23' },
      }),
    ),
    document({ worker: text(), project: text(), done: oneOf('added', 'removed') }),
  ],
  unstick: [
    document(
      { worker: text(), issue: whole(), because: text(), steps: texts, next, done: flag() },
      { reached: flag('whether it is as planned now'), pipeline: orNull(pipeline) },
    ),
  ],
  wait: [
    document({
      worker: text(),
      reached: flag(),
      conditions: list(object({ condition: text(), state: oneOf('reached', 'open', 'never'), says: text() })),
    }),
  ],
  sessions: [sessionRows],
  peek: [sessionRows, document({ worker: text(), session: text(), lines: texts })],
  answer: [
    document({
      worker: text(),
      session: text(),
      ...dialogFields,
      answered: orNull(object({ choices: issues, text: text() })),
      next: orNull({ ...object(dialogFields), description: 'what it asks then' }),
    }),
  ],
  send: [
    document({
      worker: text(),
      session: text(),
      characters: whole(),
      enter: flag(),
      typed: flag('false with --dry-run'),
    }),
  ],
  logs: [document({ worker: text(), log: text(), lines: texts })],
  cp: [
    document({
      source: text(),
      destination: text(),
      bytes,
      archiveBytes: bytes,
      archiveSha256: text(),
      leftOut: {
        ...list(object({ path: text(), what: text('a link to /etc/hosts, a FIFO') })),
        description: 'the first of those that were not copied',
      },
      leftOutCount: whole(),
    }),
    document({ source: text(), destination: text(), replaces: flag(), dryRun: literally(true) }),
  ],
  'port-forward': [
    list(object({ port: whole(), container: orNull(text('null for a program of the worker itself')) })),
    document({ worker: text(), address: text(), port: whole(), remote: whole(), pod: text() }),
    document({
      worker: text(),
      address: text(),
      local: whole(),
      remote: whole(),
      container: orNull(text()),
      dryRun: literally(true),
    }),
  ],
  provision: [document(...planFields)],
  stop: severally(...planFields),
  start: severally(...planFields),
  resize: [document(...planFields)],
  drain: severally({
    worker: text(),
    drained: literally(true),
    new: flag('false when it was drained already'),
    atRest: flag(),
    drain,
  }),
  resume: severally({ worker: text(), lifted: flag(), drain }),
  rotate: [
    document({
      worker: text(),
      rotated: flag(),
      layers: list(
        object({
          key: text(),
          layer: oneOf('Secret', 'file', 'next call', 'process'),
          hash: text('the first characters of its SHA-256; never the token'),
          state: oneOf('current', 'stale', 'refused', 'unknown'),
          note: text(),
        }),
      ),
      notAsked: orNull(text('why only the Secret could be checked')),
    }),
    document({
      worker: text(),
      dryRun: literally(true),
      changes: list(object({ key: text(), from: text(), to: text(), source: text() })),
      commands: texts,
    }),
  ],
  backup: [document({ worker: text(), ...backupFields, ...savedRest, databaseSchema, ...backupCopy })],
  restore: [
    document(
      {
        worker: text(),
        dryRun: literally(true),
        file: text(),
        now: object({ rows: number(), pipelines: number() }),
        // biome-ignore lint/suspicious/noThenProperty: the name of a field that is printed
        then: object({ rows: orNull(number()), pipelines: number() }),
        clones: list(object({ name: text(), url: text() })),
      },
      { imported },
    ),
    document(
      {
        worker: text(),
        dryRun: literally(false),
        file: text(),
        state: object(savedState),
        pipelines: number(),
        saved: orNull(text('on the worker: its state before')),
        notes: texts,
      },
      { imported },
    ),
  ],
  cleanup: [
    document({
      worker: text(),
      items: list(
        object({
          kind: oneOf('worktree', 'log', 'docker'),
          what: text(),
          issue: orNull(whole()),
          bytes,
          keep: orNull(text('why it stays; null when it can be removed')),
          fate: orNull(oneOf('done', 'kept', 'failed')),
          why: orNull(text()),
        }),
      ),
    }),
  ],
  retire: [document(...planFields)],
  'build-push-rollout': [
    releaseResults,
    document({
      image: text('with its digest once it is in a registry, otherwise with its tag'),
      tag: text(),
      digest: orNull(text()),
      pushed: flag(),
      log: orNull(text()),
    }),
  ],
  rollback: [releaseResults],
  releases: [list(record)],
  doctor: [
    list(
      object({
        where: text(),
        findings: list(
          object({
            id: text('stable, for programs'),
            state: oneOf('ok', 'warn', 'fail', 'off', 'unknown'),
            reason: text(),
            fix: next,
          }),
        ),
      }),
    ),
  ],
  workers: [
    list(ofWorker(object, {})),
    document({
      action: oneOf('added', 'already', 'removed'),
      dryRun: flag(),
      file: text(),
      worker: ofWorker(object, {}),
    }),
  ],
  local: [
    list(
      object({
        ...localFields,
        prepared: flag(),
        running: flag(),
        processes: whole(),
        boot,
        heartbeat,
      }),
    ),
  ],
};

/** What a command that fails says on stderr. */
export const ERROR_SCHEMA = document({
  error: object({
    message: text(),
    hints: { ...texts, description: 'what to type next' },
    exitCode: whole(),
  }),
});

/** A published schema, by the name of its file. */
export function published(name: string): Schema {
  const schemas = name === 'error' ? [ERROR_SCHEMA] : (OUTPUT_SCHEMAS[name] ?? []);
  const [first, ...others] = schemas;
  const what =
    name === 'error'
      ? 'What every command that fails says on stderr, with -o json and -o yaml'
      : `What factory-worker ${name} prints with -o json and -o yaml`;
  const definitions = shapesIn(schemas);
  return {
    $schema: 'http://json-schema.org/draft-07/schema#',
    $id: `urn:factory-worker:output:${name}`,
    title: what,
    ...(others.length === 0 ? first : { anyOf: schemas }),
    ...(Object.keys(definitions).length === 0 ? {} : { definitions }),
  };
}

/** The shared shapes that are referred to, and those that they refer to. */
function shapesIn(schemas: unknown, found: Record<string, Schema> = {}): Record<string, Schema> {
  for (const [, name = ''] of JSON.stringify(schemas).matchAll(/"#\/definitions\/(\w+)"/g)) {
    const shape = shapes[name];
    if (shape === undefined || found[name] !== undefined) continue;
    found[name] = shape;
    shapesIn(shape, found);
  }
  return found;
}

/** The names of all published schemas. */
export const PUBLISHED: readonly string[] = [...Object.keys(OUTPUT_SCHEMAS), 'error'];
