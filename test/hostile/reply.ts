/** What a program answers that a command has started: kubectl, helm, a script in a worker. */

export interface PartOf {
  readonly rc?: number;
  readonly text: string;
}

/** The framed answer of a script of `scripts/remote`, by the names of its parts. */
export interface FrameReply {
  readonly kind: 'frame';
  readonly parts: Readonly<Record<string, PartOf>>;
}

/** Anything else; `NONCE` in it stands for the word that this very call was given. */
export interface TextReply {
  readonly kind: 'text';
  readonly stdout: string;
  readonly stderr: string;
  readonly code: number;
}

/** A tar archive on stdout, or in a file of the operator's; `SUM` in its stderr stands for its SHA-256. */
export interface ArchiveReply {
  readonly kind: 'archive';
  /** Contents by name. */
  readonly files: Readonly<Record<string, string>>;
  readonly stderr: string;
}

export type Reply = FrameReply | TextReply | ArchiveReply;

export function frame(parts: Readonly<Record<string, string | PartOf | undefined>>): FrameReply {
  const entries = Object.entries(parts).flatMap(([name, part]) =>
    part === undefined ? [] : [[name, typeof part === 'string' ? { text: part } : part] as const],
  );
  return { kind: 'frame', parts: Object.fromEntries(entries) };
}

export function archive(files: Readonly<Record<string, string>>, stderr = ''): ArchiveReply {
  return { kind: 'archive', files, stderr };
}

export function text(stdout: string = '', stderr = '', code = 0): TextReply {
  return { kind: 'text', stdout, stderr, code };
}

export function json(value: unknown): TextReply {
  return text(`${JSON.stringify(value)}\n`);
}

/** The bytes of a frame, as scripts/remote/frame.sh writes them. */
export function frameBytes({ parts }: FrameReply, nonce: string, rc = 0): Buffer {
  const written = Object.entries(parts).map(([name, { rc: code = 0, text: content }]) => {
    const body = Buffer.from(content);
    return Buffer.concat([
      Buffer.from(`${nonce} part ${name} rc=${code} bytes=${body.length}\n`),
      body,
      Buffer.from('\n'),
    ]);
  });
  const all = Buffer.concat(written);
  return Buffer.concat([all, Buffer.from(`${nonce} rc=${rc} bytes=${all.length}\n`)]);
}
