import { isMap, isNode, LineCounter, parseDocument } from 'yaml';
import type { z } from 'zod';
import { definitionProblems, type Runbook } from '../engine/definition.js';
import { buildRunbook } from './build.js';
import { usedInputs } from './fill-in.js';
import { fileSchema, type RunbookFile } from './schema.js';

export interface ParsedRunbook {
  runbook: Runbook | undefined;
  /** `path:line:column: what`, in the order of the file. */
  problems: string[];
}

/** Reads a runbook from YAML, and says everything that is wrong with it at once. */
export function parseRunbook(path: string, source: string): ParsedRunbook {
  const lines = new LineCounter();
  const document = parseDocument(source, { lineCounter: lines });
  const at = (offset: number, what: string) => {
    const { line, col } = lines.linePos(offset);
    return { offset, text: `${path}:${line}:${col}: ${what}` };
  };
  if (document.errors.length > 0) {
    return {
      runbook: undefined,
      problems: document.errors.map(
        ({ pos, message }) => at(pos[0], message.split('\n')[0] ?? '').text,
      ),
    };
  }
  /** Where a value stands; the nearest thing around it when it is missing. */
  const offsetOf = (where: readonly PropertyKey[]): number => {
    for (let length = where.length; length >= 0; length -= 1) {
      const node = length === 0 ? document.contents : document.getIn(where.slice(0, length), true);
      if (isNode(node) && node.range) return node.range[0];
    }
    return 0;
  };
  /** Where the name of a key stands. */
  const keyOffset = (where: readonly PropertyKey[], key: string): number => {
    const map = where.length === 0 ? document.contents : document.getIn(where, true);
    const pair = isMap(map) ? map.items.find((item) => String(item.key) === key) : undefined;
    return isNode(pair?.key) && pair.key.range ? pair.key.range[0] : offsetOf(where);
  };
  const result = fileSchema.safeParse(document.toJS());
  const found = result.success
    ? meaningProblems(result.data).map(({ where, what }) => at(offsetOf(where), what))
    : result.error.issues
        .flatMap(leaves)
        .map(({ path: where, message, key }) =>
          at(key === undefined ? offsetOf(where) : keyOffset(where, key), describe(where, message)),
        );
  const problems = found.sort((a, b) => a.offset - b.offset).map(({ text }) => text);
  if (!result.success || problems.length > 0) return { runbook: undefined, problems };
  const runbook = buildRunbook(result.data, source);
  const wrong = definitionProblems(runbook).map((what) => at(offsetOf(['steps']), what).text);
  return { runbook: wrong.length === 0 ? runbook : undefined, problems: wrong };
}

const describe = (where: readonly PropertyKey[], message: string): string =>
  where.length === 0 ? message : `${where.join('.')}: ${message}`;

type Issue = z.core.$ZodIssue;

interface Leaf {
  path: PropertyKey[];
  message: string;
  /** A key that has no place there. */
  key?: string;
}

/** The problems inside the form that was meant, rather than that none of the forms fits. */
function leaves(issue: Issue): Leaf[] {
  const { path, message } = issue;
  if (issue.code === 'unrecognized_keys') {
    return issue.keys.map((key) => ({ path, message: `there is no key "${key}" here`, key }));
  }
  if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [{ path, message }];
  const [nearest] = issue.errors.toSorted((a, b) => a.length - b.length);
  return (nearest ?? []).flatMap((inner) => leaves({ ...inner, path: [...path, ...inner.path] }));
}

interface Found {
  where: PropertyKey[];
  what: string;
}

/** What fits the form and cannot work. */
function meaningProblems({ steps, inputs }: RunbookFile): Found[] {
  const found: Found[] = [];
  const before = new Set<string>();
  for (const [index, step] of steps.entries()) {
    const where = ['steps', index];
    for (const name of usedInputs(JSON.stringify(step))) {
      if (!(name in inputs)) found.push({ where, what: `there is no input "${name}"` });
    }
    if (step.kind === 'branch') {
      for (const [position, entry] of step.cases.entries()) {
        const inside = [...where, 'cases', position];
        if (!before.has(entry.step)) {
          found.push({ where: inside, what: `no step "${entry.step}" stands before this one` });
        }
        const later = steps.slice(index + 1).some(({ id }) => id === entry.goto);
        if (entry.goto !== undefined && !later) {
          found.push({ where: inside, what: `no step "${entry.goto}" follows this one` });
        }
      }
    }
    before.add(step.id);
  }
  return found;
}
