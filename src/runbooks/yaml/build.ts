import { z } from 'zod';
import type {
  Branch,
  Inputs,
  JsonObject,
  Runbook,
  Step,
  StepContext,
} from '../engine/definition.js';
import type { Plan, PlanTarget } from '../engine/plan.js';
import { fillIn } from './fill-in.js';
import { perform, rowsOf } from './probe.js';
import type { FileInput, FileStep, Probe, RunbookFile } from './schema.js';

/** Makes a runbook of a file; `source` is its text, which identifies what it does. */
export function buildRunbook(file: RunbookFile, source: string): Runbook {
  const { inputs, targets, steps, ...identity } = file;
  return {
    ...identity,
    inputs: z.strictObject(
      Object.fromEntries(Object.entries(inputs).map(([name, input]) => [name, inputSchema(input)])),
    ),
    targets: (input) => targets.map((target) => fillIn(target, input)),
    steps: steps.map(buildStep),
    mayChange: steps.filter(looksUnheld).map(({ id }) => id),
    source,
  };
}

/** Whether what a check or a plan looks with could change something; statements cannot. */
function looksUnheld(step: FileStep): boolean {
  if (step.kind === 'check') return isUnheld(step);
  if (step.kind !== 'plan') return false;
  return (step.targets ?? []).some(({ state }) => state !== undefined && isUnheld(state));
}

const isUnheld = ({ shell, http, readOnly }: Probe): boolean =>
  !readOnly && (shell !== undefined || (http !== undefined && !safeMethods.has(http.method)));

/** Of HTTP: defined to change nothing (RFC 9110). */
const safeMethods: ReadonlySet<string> = new Set(['GET', 'HEAD']);

function inputSchema({
  type,
  description,
  default: usual,
  required,
  pattern,
}: FileInput): z.ZodType {
  const of: z.ZodType = {
    string: pattern === undefined ? z.string() : z.string().regex(new RegExp(pattern)),
    // The command line hands over text.
    integer: z.coerce.number().int(),
    number: z.coerce.number(),
    boolean: z.union([z.boolean(), z.stringbool()]),
  }[type].describe(description);
  if (usual !== undefined) return of.default(usual as never);
  return required ? of : of.optional();
}

function buildStep(step: FileStep): Step<Inputs> {
  const { id, title, why } = step;
  const base = {
    id,
    title,
    why,
    manual: (input: Inputs) => fillIn(step.manual ?? usualManual(step), input),
    ...(step.timeout === undefined ? {} : { timeout: step.timeout }),
    ...(step.attempts === undefined ? {} : { attempts: step.attempts }),
  };
  switch (step.kind) {
    case 'check':
      return {
        ...base,
        kind: 'check',
        must: step.must,
        run: async (context) => {
          const { met, summary, code } = await perform(step, context);
          return { state: met ? 'ok' : step.otherwise, summary, evidence: { code } };
        },
      };
    case 'plan':
      return { ...base, kind: 'plan', run: (context) => makePlan(step, context) };
    case 'approve':
      return {
        ...base,
        kind: 'approve',
        name: ({ input }) => fillIn(step.name, input),
        question: ({ input }) => fillIn(step.question, input),
      };
    case 'act':
      return {
        ...base,
        kind: 'act',
        run: async (context) => {
          const { met, summary, code } = await perform(step, context);
          if (!met) context.warn(`${id}: ${summary}`);
          return { code };
        },
        verify: async (context) => {
          const { met, summary } = await perform(step.verify, context);
          return { done: met, summary };
        },
      };
    case 'manual':
      return {
        ...base,
        kind: 'manual',
        instruction: ({ input }) => fillIn(step.instruction, input),
      };
    case 'branch':
      return { ...base, kind: 'branch', choose: async (context) => choose(step, context) };
  }
}

/** The command that the step runs, as a person would type it. */
function usualManual(step: FileStep): string {
  if ('shell' in step && step.shell !== undefined) return step.shell.map(shellWord).join(' ');
  if ('sql' in step && step.sql !== undefined) return `psql -c ${shellWord(step.sql)}`;
  if ('http' in step && step.http !== undefined)
    return `curl -X ${step.http.method} ${step.http.url}`;
  if (step.kind === 'manual') return step.instruction;
  return step.kind === 'approve' ? step.question : step.title;
}

const shellWord = (word: string): string =>
  /^[\w@%+=:,./${}-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;

async function makePlan(
  step: Extract<FileStep, { kind: 'plan' }>,
  context: StepContext<Inputs>,
): Promise<Plan> {
  const targets: PlanTarget[] = [];
  if (step.sql !== undefined) {
    for (const { type, name, action, ...state } of await rowsOf(
      step.sql,
      step.values ?? [],
      context,
    )) {
      targets.push({
        type: String(type ?? 'row'),
        name: String(name),
        action: String(action ?? 'change'),
        state,
      });
    }
  }
  for (const { type, name, action, state } of step.targets ?? []) {
    const seen = state === undefined ? undefined : await perform(state, context);
    targets.push({
      type,
      name: fillIn(name, context.input),
      action,
      state: seen === undefined ? {} : { code: seen.code, text: seen.text.slice(0, 1000) },
    });
  }
  return {
    summary: fillIn(
      step.summary ?? (targets.length === 1 ? '1 target.' : `${targets.length} targets.`),
      context.input,
    ),
    targets,
    totals: { targets: targets.length },
    notes: step.notes.map((note) => fillIn(note, context.input)),
  };
}

function choose(
  { cases }: Extract<FileStep, { kind: 'branch' }>,
  { results, input }: StepContext<Inputs>,
): Branch | undefined {
  const found = cases.find(({ step, state }) => results[step]?.finding?.state === state);
  if (found === undefined) return undefined;
  const { runbook, goto, why } = found;
  if (goto !== undefined) return { to: 'step', step: goto, why };
  const handed: JsonObject = Object.fromEntries(
    Object.entries(found.input).map(([name, value]) => [name, fillIn(value, input)]),
  );
  return { to: 'runbook', runbook: runbook ?? '', input: handed, why };
}
