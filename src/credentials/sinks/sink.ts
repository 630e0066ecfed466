import type { Values } from '../record.js';

/**
 * A place that hands out a credential. The new values are staged first, where no consumer looks;
 * only when every sink has taken them, and the credential is proven, are they made current.
 */
export interface Sink {
  /** `env-file /etc/app/.env`, `parameter-store NAME`: for plans and messages. */
  readonly id: string;
  /** Whether what is stored can be looked at again. */
  readonly readable: boolean;
  /** Reaches it and looks at what is needed; changes nothing. */
  probe(): Promise<void>;
  /** What consumers get now, of these names; undefined where it cannot be read or is not there. */
  current(names: readonly string[]): Promise<Values | undefined>;
  /** Stores the values beside the current ones. Repeatable. */
  stage(values: Values): Promise<void>;
  staged(names: readonly string[]): Promise<Values | undefined>;
  /** Whether something is staged: for sinks that say so and give nothing back. */
  hasStaged?(): Promise<boolean>;
  /** Removes what was staged, if anything was. */
  unstage(names: readonly string[]): Promise<void>;
  /** Makes the values the ones that consumers get, all at once, and removes what was staged. */
  promote(values: Values): Promise<void>;
}

/** What a sink may be told: the outside world, handed in. */
export interface ProgramRun {
  exitCode: number;
  stdout: string;
}

/**
 * Runs a program with a text on its stdin; nothing secret may stand in its arguments. `quiet`: what
 * it prints is for us alone.
 */
export type RunProgram = (
  words: readonly string[],
  options: { input: string; env: Record<string, string>; quiet: boolean },
) => Promise<ProgramRun>;

export const sameValues = (a: Values | undefined, b: Values | undefined): boolean => {
  if (a === undefined || b === undefined) return false;
  const names = Object.keys(b);
  return names.length === Object.keys(a).length && names.every((name) => a[name] === b[name]);
};

/** Those of the names that are there; undefined unless all are. */
export function pick(from: Record<string, unknown>, names: readonly string[]): Values | undefined {
  const values: Values = {};
  for (const name of names) {
    const value = from[name];
    if (typeof value !== 'string' || value === '') return undefined;
    values[name] = value;
  }
  return values;
}

/**
 * The values as the one text that a sink with a single slot holds: the value itself where there is
 * one, else a JSON document, so that no consumer ever sees half of a pair.
 */
export const toDocument = (values: Values): string => {
  const texts = Object.values(values);
  return texts.length === 1 ? (texts[0] ?? '') : JSON.stringify(values);
};

/** The values of such a text. */
export function fromDocument(text: string, names: readonly string[]): Values | undefined {
  const [name] = names;
  if (names.length === 1 && name !== undefined) {
    return text === '' ? undefined : (pick(parseObject(text), names) ?? { [name]: text });
  }
  return pick(parseObject(text), names);
}

/** A JSON object; empty for anything else. */
export function parseObject(text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : {};
  } catch {
    // A bare value is no JSON.
    return {};
  }
}
