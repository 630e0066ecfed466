import type { z } from 'zod';
import { invalid, type OperatorError } from '../system/errors.js';
import { nearest } from '../system/nearest.js';
import { redact } from '../system/redact.js';
import { configSchema } from './schema.js';
import { allSettings, sectionKeys } from './settings.js';

/** Something wrong in the configuration, with the place where it stands. */
export interface Problem {
  /** `reviewops.config.yaml:12:5`, or `environment REVIEWOPS_PIPELINE_THREADS`. */
  where: string;
  /** Dotted key; empty for the file as a whole. */
  key: string;
  message: string;
}

type Path = readonly PropertyKey[];

/** Where a value or, for `key`, the name in front of it stands. */
export type Locate = (path: Path, key?: boolean) => string;

/** Checks a part of the configuration (a file, a profile, one variable) by the schema. */
export function findProblems(value: unknown, locate: Locate): Problem[] {
  const outcome = configSchema.safeParse(value, { jitless: true });
  if (outcome.success) return [];
  return outcome.error.issues.flatMap((issue) => explain(issue, value, locate));
}

function explain(issue: z.core.$ZodIssue, value: unknown, locate: Locate): Problem[] {
  if (issue.code === 'unrecognized_keys') {
    const known = sectionKeys(issue.path) ?? [];
    return issue.keys.map((key) => unknownKey([...issue.path, key], known, locate));
  }
  const key = issue.path.join('.');
  const section = sectionKeys(issue.path);
  const allowed =
    section === undefined
      ? (settingOf(issue.path)?.allowed ?? issue.message)
      : `a section with any of: ${section.join(', ')}`;
  return [
    {
      where: locate(issue.path),
      key,
      message: `must be ${allowed}; it is ${shown(valueAt(value, issue.path))}`,
    },
  ];
}

function unknownKey(path: Path, known: string[], locate: Locate): Problem {
  const name = String(path.at(-1));
  const meant = nearest(name, known);
  const guess = meant === undefined ? '' : `did you mean ${meant}? `;
  return {
    where: locate(path, true),
    key: path.join('.'),
    message: `is no setting; ${guess}known here: ${known.join(', ')}`,
  };
}

/** The setting a path leads to or into (an entry of a list belongs to the list). */
const settingOf = (path: Path) => {
  const key = path.join('.');
  return allSettings().find((setting) => key === setting.key || key.startsWith(`${setting.key}.`));
};

function valueAt(value: unknown, path: Path): unknown {
  let found = value;
  for (const key of path) {
    if (typeof found !== 'object' || found === null) return undefined;
    found = (found as Record<PropertyKey, unknown>)[key];
  }
  return found;
}

function shown(value: unknown): string {
  const text = redact(JSON.stringify(value) ?? 'missing');
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}

/** One error for all problems: `CONFIG_INVALID`, exit 2. */
export function configInvalid(problems: readonly Problem[]): OperatorError {
  const lines = problems.map(
    ({ where, key, message }) => `${where}: ${key === '' ? '' : `${key} `}${message}`,
  );
  const count = lines.length === 1 ? 'a mistake' : `${lines.length} mistakes`;
  return invalid('CONFIG_INVALID', `The configuration has ${count}:\n  ${lines.join('\n  ')}`, {
    hint: 'Correct it and run `reviewops config check`; docs/configuration.md lists every setting.',
  });
}
