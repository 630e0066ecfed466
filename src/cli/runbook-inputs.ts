import { z } from 'zod';
import type { Runbook } from '../runbooks/engine/definition.js';
import { invalid } from '../system/errors.js';
import { nearest } from '../system/nearest.js';

/** An input of a runbook, for people and forms. */
export interface InputField {
  name: string;
  type: string;
  required: boolean;
  default?: unknown;
  description: string;
}

interface Node {
  type?: string;
  anyOf?: Node[];
  enum?: unknown[];
  items?: Node;
  default?: unknown;
  description?: string;
  properties?: Record<string, Node>;
  required?: string[];
}

const schemaOf = ({ inputs }: Runbook): Node =>
  z.toJSONSchema(inputs, { io: 'input', unrepresentable: 'any' }) as Node;

/** The inputs of a runbook, in its order. */
export function inputFields(runbook: Runbook): InputField[] {
  const { properties = {}, required = [] } = schemaOf(runbook);
  return Object.entries(properties).map(([name, node]) => ({
    name,
    type: typeText(node),
    required: required.includes(name),
    ...(node.default === undefined ? {} : { default: node.default }),
    description: node.description ?? '',
  }));
}

function typeText(node: Node): string {
  if (node.enum !== undefined) return node.enum.join(' | ');
  if (node.anyOf !== undefined) return node.anyOf.map(typeText).join(' or ');
  return node.type === 'array' ? `list of ${node.items?.type ?? 'text'}` : (node.type ?? 'text');
}

/**
 * The inputs of `--input NAME=VALUE` flags. Lists are separated by commas or given several times;
 * numbers, booleans and null are read as such where the runbook takes them.
 *
 * @throws INPUT_UNKNOWN, USAGE_ERROR (exit 2)
 */
export function parseInputs(runbook: Runbook, given: readonly string[]): Record<string, unknown> {
  const { properties = {} } = schemaOf(runbook);
  const values = new Map<string, string[]>();
  for (const pair of given) {
    const equals = pair.indexOf('=');
    if (equals < 1) {
      throw invalid('USAGE_ERROR', `--input takes NAME=VALUE, not ${JSON.stringify(pair)}.`, {
        hint: `\`reviewops runbook show ${runbook.id}\` lists the inputs.`,
      });
    }
    const name = pair.slice(0, equals);
    if (!(name in properties)) throw unknownInput(runbook, name, Object.keys(properties));
    values.set(name, [...(values.get(name) ?? []), pair.slice(equals + 1)]);
  }
  return Object.fromEntries(
    [...values].map(([name, texts]) => [name, read(properties[name] ?? {}, texts)]),
  );
}

function unknownInput({ id }: Runbook, name: string, names: string[]) {
  const meant = nearest(name, names);
  return invalid('INPUT_UNKNOWN', `Runbook ${id} has no input "${name}".`, {
    hint: `${meant === undefined ? '' : `Did you mean ${meant}? `}\`reviewops runbook show ${id}\` lists them.`,
  });
}

/** What the schema cannot take stays text: its message is the better one. */
function read(node: Node, texts: readonly string[]): unknown {
  const forms = node.anyOf ?? [node];
  const list = forms.find(({ type }) => type === 'array');
  if (list !== undefined) {
    const parts = texts.flatMap((text) => text.split(',')).filter((part) => part.trim() !== '');
    return parts.map((part) => readOne([list.items ?? {}], part.trim()));
  }
  return readOne(forms, texts.at(-1) ?? '');
}

function readOne(forms: readonly Node[], text: string): unknown {
  const takes = (type: string) => forms.some((form) => form.type === type);
  if (takes('boolean') && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if (takes('null') && text === 'null') return null;
  if (
    (takes('integer') || takes('number')) &&
    text.trim() !== '' &&
    Number.isFinite(Number(text))
  ) {
    return Number(text);
  }
  return text;
}
