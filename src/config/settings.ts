import { z } from 'zod';
import { configSchema } from './schema.js';

/** One setting of the configuration, as documents and messages describe it. */
export interface Setting {
  /** Dotted: `pipeline.memoryLimit`. */
  key: string;
  path: readonly string[];
  type: string;
  /** What a value may be, in words: `a whole number from 1 to 32`. */
  allowed: string;
  /** The values of a choice. */
  choices: readonly string[];
  /** Undefined when the setting is absent by default. */
  default: unknown;
  description: string;
  /** The variable that sets it: `REVIEWOPS_PIPELINE_MEMORY_LIMIT`. */
  environment: string;
  /** Reads the text of an environment variable; what it cannot read stays text for the schema. */
  read(text: string): unknown;
}

/** The part of JSON Schema that the configuration's schema turns into. */
interface Node {
  type?: string;
  properties?: Record<string, Node>;
  propertyNames?: { enum?: string[] };
  additionalProperties?: Node | false;
  anyOf?: Node[];
  items?: Node;
  enum?: string[];
  const?: string;
  default?: unknown;
  description?: string;
  examples?: string[];
  minimum?: number;
  maximum?: number;
  exclusiveMinimum?: number;
}

let known: { root: Node; settings: readonly Setting[] } | undefined;

/** The description of the schema: made when it is needed, for that takes longer than a short command. */
function described() {
  if (known === undefined) {
    const root = z.toJSONSchema(configSchema, { io: 'input' }) as Node;
    known = { root, settings: [...collect(root, [])] };
  }
  return known;
}

/** Every setting, in the order of the schema. */
export const allSettings = (): readonly Setting[] => described().settings;

/** Keys of a section; undefined for a setting and for what does not exist. */
export function sectionKeys(path: readonly PropertyKey[]): string[] | undefined {
  let node: Node | undefined = described().root;
  for (const key of path) node = children(node)?.[String(key)];
  const inside = node === undefined ? undefined : children(node);
  return inside === undefined ? undefined : Object.keys(inside);
}

/** `REVIEWOPS_PIPELINE_MEMORY_LIMIT` for `pipeline.memoryLimit`. */
const environmentName = (path: readonly string[]): string =>
  `REVIEWOPS_${path
    .map((part) => part.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toUpperCase())
    .join('_')}`;

function children(node: Node | undefined): Record<string, Node> | undefined {
  if (node?.properties !== undefined) return node.properties;
  const names = node?.propertyNames?.enum;
  const value = node?.additionalProperties;
  if (names === undefined || !value) return undefined;
  return Object.fromEntries(
    names.map((name) => [name, { description: node?.description ?? '', ...value }]),
  );
}

function* collect(node: Node, path: string[]): Generator<Setting> {
  const inside = children(node);
  if (inside === undefined) {
    yield describe(node, path);
    return;
  }
  for (const [key, child] of Object.entries(inside)) yield* collect(child, [...path, key]);
}

function describe(node: Node, path: string[]): Setting {
  const forms = node.anyOf ?? [node];
  return {
    key: path.join('.'),
    path,
    type: forms.map(typeName).join(' or '),
    allowed: forms.map(allowedText).join(', or '),
    choices: forms.flatMap((form) => form.enum ?? (form.const === undefined ? [] : [form.const])),
    default: node.default,
    description: node.description ?? forms.find((form) => form.description)?.description ?? '',
    environment: environmentName(path),
    read: (text) => readText(text, forms),
  };
}

const typeName = (form: Node): string =>
  form.type === 'array' ? `list of ${form.items?.type ?? 'string'}s` : (form.type ?? 'any');

function allowedText(form: Node): string {
  if (form.enum !== undefined) return `one of: ${form.enum.join(', ')}`;
  if (form.const !== undefined) return `"${form.const}"`;
  if (form.type === 'boolean') return 'true or false';
  if (form.type === 'null') return 'null';
  if (form.type === 'array') return `a list of ${form.items?.type ?? 'string'}s`;
  if (form.type === 'integer') return `a whole number${rangeText(form)}`;
  if (form.type === 'number') return `a number${rangeText(form)}`;
  return form.examples === undefined ? 'text' : `a text such as ${form.examples.join(' or ')}`;
}

function rangeText({ minimum, maximum, exclusiveMinimum }: Node): string {
  if (exclusiveMinimum !== undefined) return ` above ${exclusiveMinimum}`;
  // JSON Schema states the limits of safe integers where the schema has none.
  const bounded = maximum !== undefined && maximum < Number.MAX_SAFE_INTEGER;
  if (minimum !== undefined && bounded) return ` from ${minimum} to ${maximum}`;
  if (minimum !== undefined) return `, at least ${minimum}`;
  return bounded ? `, at most ${maximum}` : '';
}

function readText(text: string, forms: readonly Node[]): unknown {
  const accepts = (type: string) => forms.some((form) => form.type === type);
  if (forms.some((form) => form.const === text || form.enum?.includes(text))) return text;
  if (accepts('null') && text === 'null') return null;
  if (accepts('boolean') && /^(true|false)$/i.test(text)) return text.toLowerCase() === 'true';
  if ((accepts('integer') || accepts('number')) && text.trim() !== '') {
    const value = Number(text);
    if (Number.isFinite(value)) return value;
  }
  if (accepts('array')) {
    return text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '');
  }
  return text;
}
