/** Quantities of Kubernetes, and the resources of a container. Pure. */
import { UsageError } from '../cli/errors.ts';
import type { ContainerResources } from '../transport/pods.ts';

export type Resources = ContainerResources;

/** The limits that `resize` sets. */
export const RESIZABLE = ['memory', 'cpu'] as const;
export type Resizable = (typeof RESIZABLE)[number];
export type Limits = Readonly<Partial<Record<Resizable, string>>>;

const FACTORS: Readonly<Record<string, number>> = {
  m: 1e-3,
  '': 1,
  k: 1e3,
  M: 1e6,
  G: 1e9,
  T: 1e12,
  P: 1e15,
  Ki: 2 ** 10,
  Mi: 2 ** 20,
  Gi: 2 ** 30,
  Ti: 2 ** 40,
  Pi: 2 ** 50,
};

/**
 * @param quantity `12Gi`, `500m`, `2` (kubernetes.io/docs/reference/kubernetes-api/common-definitions/quantity)
 * @returns bytes or processors; null when it is not a quantity
 */
export function parseQuantity(quantity: string | number): number | null {
  const [, digits, suffix = ''] = /^(\d+(?:\.\d+)?)([a-zA-Z]*)$/.exec(`${quantity}`) ?? [];
  const factor = FACTORS[suffix];
  return digits === undefined || factor === undefined ? null : Number(digits) * factor;
}

/** What a value must have to be one of memory, and not of processors by mistake: `12` would be 12 bytes. */
const LEAST_MEMORY_BYTES = 64 * 2 ** 20;

/**
 * @param given the values of `--memory` and `--cpu`
 * @throws UsageError when none is given, or one is not a positive quantity
 */
export function parseLimits(given: Readonly<Partial<Record<Resizable, string | undefined>>>): Limits {
  const limits: Partial<Record<Resizable, string>> = {};
  for (const name of RESIZABLE) {
    const text = given[name];
    if (text === undefined) continue;
    const value = parseQuantity(text);
    const least = name === 'memory' ? LEAST_MEMORY_BYTES : 0.05;
    if (value === null || value < least) {
      throw new UsageError(
        name === 'memory'
          ? `--memory ${text} is not a valid size: a number with Mi or Gi, at least 64Mi`
          : `--cpu ${text} is not a valid number of processors: 6, 1.5 or 500m`,
      );
    }
    limits[name] = text;
  }
  if (Object.keys(limits).length === 0) {
    throw new UsageError('nothing to change: give --memory, --cpu or both');
  }
  return limits;
}

/** Whether both mean the same amount: `1Gi` and `1024Mi`. */
export function same(a: string | number | undefined, b: string | number | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return parseQuantity(a) === parseQuantity(b);
}

/**
 * The resources with new limits. A request that was equal to its limit follows it: otherwise the pod would lose its quality of
 * service, which Kubernetes refuses to change.
 *
 * @returns only what differs; null when nothing does
 */
export function resized(current: Resources, wanted: Limits): Resources | null {
  const changed = Object.entries(wanted).filter(([name, value]) => !same(current.limits?.[name], value));
  if (changed.length === 0) return null;
  const follows = changed.filter(
    ([name]) =>
      current.requests?.[name] !== undefined && same(current.requests[name], current.limits?.[name]),
  );
  return {
    limits: Object.fromEntries(changed),
    ...(follows.length === 0 ? {} : { requests: Object.fromEntries(follows) }),
  };
}

/** `memory 8Gi → 12Gi, cpu 4 → 6`. */
export function changeText(current: Resources, { limits = {} }: Resources): string {
  return Object.entries(limits)
    .map(([name, value]) => `${name} ${current.limits?.[name] ?? 'without a limit'} → ${value}`)
    .join(', ');
}

/** The chart's values for them, as `--set-string` takes them. */
export function asValues({ limits = {}, requests = {} }: Resources): Record<string, string> {
  return Object.fromEntries([
    ...Object.entries(limits).map(([name, value]) => [`resources.limits.${name}`, `${value}`]),
    ...Object.entries(requests).map(([name, value]) => [`resources.requests.${name}`, `${value}`]),
  ]);
}
