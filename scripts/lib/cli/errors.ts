/** The exit codes of every command, listed in each `--help`. `attach` and `exec` pass the remote exit code through. */
export const ExitCode = {
  ok: 0,
  failed: 1,
  usage: 2,
  /** Some workers of several failed. */
  partial: 3,
  /** With `--exit-code`: done, and the operator is needed. */
  needsOperator: 4,
  timeout: 124,
  /** A required program is not installed. */
  missingProgram: 127,
  interrupted: 130,
} as const;

export interface ErrorDetails {
  readonly exitCode?: number;
  /** What to type or do next, one line each. */
  readonly hints?: readonly string[];
}

/** An expected failure: what failed and why in `message`, what to do next in `hints`. Printed without a stack. */
export class CliError extends Error {
  override readonly name: string = 'CliError';
  readonly exitCode: number;
  readonly hints: readonly string[];

  constructor(message: string, details: ErrorDetails = {}) {
    super(message);
    this.exitCode = details.exitCode ?? ExitCode.failed;
    this.hints = details.hints ?? [];
  }
}

/** Usage error: exit 2, nothing was started. */
export class UsageError extends CliError {
  override readonly name = 'UsageError';

  constructor(message: string, ...hints: string[]) {
    super(message, { exitCode: ExitCode.usage, hints });
  }
}

/** Ctrl-C, SIGTERM or SIGHUP ended the command. */
export class InterruptedError extends CliError {
  override readonly name = 'InterruptedError';

  /** @param message what was stopped, and what, if anything, continues in the worker */
  constructor(message = 'interrupted', exitCode: number = ExitCode.interrupted) {
    super(message, { exitCode });
  }

  /** For an aborted signal: with the exit code of Ctrl-C, SIGTERM or SIGHUP. */
  static by(signal: AbortSignal, message?: string): InterruptedError {
    const { reason } = signal;
    return new InterruptedError(message, reason instanceof InterruptedError ? reason.exitCode : undefined);
  }
}
