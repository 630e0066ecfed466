import { type InputField, inputFields, parseInputs } from '../../cli/runbook-inputs.js';
import type { Inputs, Runbook } from '../../runbooks/engine/definition.js';
import { errorMessage } from '../../system/errors.js';
import type { Press } from '../terminal/decode.js';
import { editField, type Field, fieldOf } from './field.js';

/** The inputs of a runbook as a form: a line for each, then the ways to start. */
export interface Form {
  fields: readonly FormField[];
  /** Of the fields, then of the starts. */
  cursor: number;
}

export interface FormField extends InputField {
  text: Field;
  /** Values to choose from; empty where text is typed. */
  choices: readonly string[];
  touched: boolean;
}

/** How a run is started. `look` is the dry run: checks and plan, no change. */
export const starts = ['look', 'run'] as const;
export type Start = (typeof starts)[number];

/** The form of a runbook, with the values that whoever leads here knows already. */
export function formOf(runbook: Runbook, known: Inputs = {}): Form {
  return {
    cursor: 0,
    fields: inputFields(runbook).map((input) => ({
      ...input,
      text: fieldOf(textOf(known[input.name])),
      choices: choicesOf(input),
      touched: known[input.name] !== undefined,
    })),
  };
}

const textOf = (value: unknown): string => {
  if (value === undefined || value === null) return '';
  return Array.isArray(value) ? value.map(String).join(',') : String(value);
};

function choicesOf({ type, required }: InputField): string[] {
  const values =
    type === 'boolean' ? ['true', 'false'] : type.includes(' | ') ? type.split(' | ') : [];
  return values.length === 0 || required ? values : ['', ...values];
}

export interface FormCheck {
  /** What the schema makes of the texts; undefined while something is wrong. */
  input: Record<string, unknown> | undefined;
  /** What is wrong, by field; `''` for the whole. */
  problems: ReadonlyMap<string, string>;
}

/** Asks the runbook's own schema, as the engine will. */
export function checkForm(runbook: Runbook, { fields }: Form): FormCheck {
  const given = fields
    .filter(({ text }) => text.value.trim() !== '')
    .map(({ name, text }) => `${name}=${text.value}`);
  const problems = new Map<string, string>();
  let input: Record<string, unknown>;
  try {
    input = parseInputs(runbook, given);
  } catch (error) {
    return { input: undefined, problems: new Map([['', errorMessage(error)]]) };
  }
  const result = runbook.inputs.safeParse(input);
  if (result.success) return { input, problems };
  for (const { path, message } of result.error.issues) {
    const name = String(path[0] ?? '');
    if (!problems.has(name)) problems.set(name, message);
  }
  return { input: undefined, problems };
}

/** What a press makes of the field under the cursor; undefined when it means nothing there. */
export function editForm(form: Form, press: Press): Form | undefined {
  const field = form.fields[form.cursor];
  if (field === undefined) return undefined;
  const text = field.choices.length > 0 ? choose(field, press) : editField(field.text, press);
  if (text === undefined) return undefined;
  const fields = form.fields.map((other) =>
    other === field ? { ...other, text, touched: true } : other,
  );
  return { ...form, fields };
}

function choose({ choices, text }: FormField, press: Press): Field | undefined {
  if ('paste' in press) return undefined;
  const step = { right: 1, ' ': 1, left: -1 }[press.key];
  if (step === undefined) return undefined;
  const at = choices.indexOf(text.value) + step;
  return fieldOf(choices[(at + choices.length) % choices.length] ?? '');
}

export const formRows = ({ fields }: Form): number => fields.length + starts.length;

/** The start under the cursor, if it stands on one. */
export const startAt = ({ fields, cursor }: Form): Start | undefined =>
  starts[cursor - fields.length];
