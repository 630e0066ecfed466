import type { z } from 'zod';
import type { Lookup } from '../../config/environment.js';
import type { Role } from '../../config/runbook-schema.js';
import type { Config } from '../../config/schema.js';
import type { DatabaseTarget } from '../../database/target.js';
import type { CallerIdentity } from '../../diagnosis/identity.js';
import type { Lake } from '../../lake/lake.js';
import type { Plan } from './plan.js';

/** What a runbook may do: look, change what can be changed back, destroy. */
export type Risk = 'read' | 'change' | 'destroy';

/** Who may run it; `read` runbooks are everybody's, and an admin may run all. */
export type { Role } from '../../config/runbook-schema.js';

/** Five states, in order of concern. Without permission or data a check is unknown, never ok. */
export const checkStates = ['ok', 'skipped', 'unknown', 'warning', 'critical'] as const;
export type CheckState = (typeof checkStates)[number];

/** Plain data: what can be written to the journal and read back. */
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };
export type JsonObject = { [key: string]: Json };

/** What runbooks work with; made once a run by the face that started it. */
export interface RunbookServices {
  config: Config;
  /** The state directory. */
  home: string;
  /** Resolved on first use: a runbook must be able to start while the database is down. */
  database(): Promise<DatabaseTarget>;
  /** The database URL that is set; undefined for the embedded server. Reaches and starts nothing. */
  databaseUrl(): Promise<string | undefined>;
  lake(): Promise<Lake>;
  /** A directory of this run alone. */
  scratch(): Promise<string>;
  pseudonymKey(): Promise<Uint8Array>;
  /** Whom AWS takes us for (STS); absent where nothing of the lake is on S3. */
  identity?: (signal: AbortSignal) => Promise<CallerIdentity>;
  surroundings(): Promise<Surroundings>;
  tool: { name: string; version: string };
  now(): Date;
}

/** Where the command runs, for what only some runbooks need. */
export interface Surroundings {
  /** The variables of the environment and of `.env`, as they are now. */
  lookup: Lookup;
  profile: string;
  /** Where relative paths of the configuration start. */
  directory: string;
}

/** What every function of a step gets. */
export interface StepContext<Input> {
  runId: string;
  input: Input;
  services: RunbookServices;
  signal: AbortSignal;
  /**
   * True everywhere but in `run` and `undo` of an act: the sessions of `services.database()` refuse
   * writes then (`default_transaction_read_only`).
   */
  readOnly: boolean;
  /** Results of the steps before, by id. */
  results: Readonly<Record<string, StepResult>>;
  /** The plan that was shown and approved; undefined before the plan step. */
  plan: Plan | undefined;
  /** A line of live output; redacted before anybody sees it. Not kept in the journal. */
  output(text: string): void;
  /** Something the operator must not miss; kept in the journal. */
  warn(text: string): void;
  progress(done: number, total: number | undefined, unit: 'rows' | 'bytes' | 'files'): void;
  /** Registers a secret that came into being during the run, before anything shows it. */
  secret(value: string): void;
}

export interface Finding {
  state: CheckState;
  /** One line for a person. */
  summary: string;
  /** What was measured, for machines. */
  evidence?: JsonObject;
}

export interface Verified {
  /** The effect is there: seen in reality, not remembered. */
  done: boolean;
  summary: string;
  evidence?: JsonObject;
  /** What the act had to leave as it was, for a person; the run succeeds and its exit code is 4. */
  remains?: string;
}

/** The next runbook or step, chosen from evidence. */
export type Branch =
  | { to: 'runbook'; runbook: string; input: JsonObject; why: string }
  | { to: 'step'; step: string; why: string };

interface StepBase<Input> {
  /** Lower case with hyphens, unique in the runbook. */
  id: string;
  title: string;
  /** Why it is done, for somebody who does it for the first time at 3 a.m. */
  why: string;
  /** The command a person could type instead (psql, aws …). */
  manual: (input: Input) => string;
  /** Skipped, with the reason, unless this gives true. */
  when?: (context: StepContext<Input>) => true | string | Promise<true | string>;
  /** Seconds until the step is stopped and counts as failed. Default 300. */
  timeout?: number;
  /** Attempts in all, with a growing pause, for what can pass by itself. Default 1. */
  attempts?: number;
}

export interface CheckStep<Input> extends StepBase<Input> {
  kind: 'check';
  run: (context: StepContext<Input>) => Promise<Finding>;
  /** A critical finding fails the run. Default false: a later step acts on it. */
  must?: boolean;
}

export interface PlanStep<Input> extends StepBase<Input> {
  kind: 'plan';
  /** Lists the exact targets. Runs again before the first act, to see that reality is the same. */
  run: (context: StepContext<Input>) => Promise<Plan>;
}

export interface ApproveStep<Input> extends StepBase<Input> {
  kind: 'approve';
  /** What the person types for a destructive runbook: the target's name. */
  name: (context: StepContext<Input>) => string;
  question: (context: StepContext<Input>) => string;
}

export interface ActStep<Input> extends StepBase<Input> {
  kind: 'act';
  /**
   * Touches only what the plan names, each target only while it is still what the plan says. Must
   * be safe to run again on what it left behind.
   */
  run: (context: StepContext<Input>) => Promise<JsonObject>;
  /** Probes reality for the effect. Runs after `run`, and before it when the act began earlier. */
  verify: (context: StepContext<Input>) => Promise<Verified>;
  /** Takes the effect back, when a person asks for it; never by itself. */
  undo?: (context: StepContext<Input>) => Promise<void>;
  /**
   * Probes reality for the effect being gone (`done`), after `undo`. Needed where `verify` fails
   * already when half of the effect is missing, or asks a record that `undo` removes. Default:
   * `verify` does not hold any more.
   */
  undone?: (context: StepContext<Input>) => Promise<Verified>;
}

export interface ManualStep<Input> extends StepBase<Input> {
  kind: 'manual';
  /** What the person is asked to do. */
  instruction: (context: StepContext<Input>) => string;
}

export interface BranchStep<Input> extends StepBase<Input> {
  kind: 'branch';
  choose: (context: StepContext<Input>) => Promise<Branch | undefined>;
}

/** Whether a run may go on: what it saw, or what it waits for and when that is due. */
export type Readiness =
  | { ready: true; summary: string; evidence?: JsonObject }
  | { ready: false; reason: string; due: Date };

/** A pause of hours or days: the run ends as `waiting` and asks again when it is resumed. */
export interface WaitStep<Input> extends StepBase<Input> {
  kind: 'wait';
  ready: (context: StepContext<Input>) => Promise<Readiness>;
}

export type Step<Input> =
  | CheckStep<Input>
  | PlanStep<Input>
  | ApproveStep<Input>
  | ActStep<Input>
  | ManualStep<Input>
  | WaitStep<Input>
  | BranchStep<Input>;

interface RunbookBase<Input> {
  id: string;
  title: string;
  summary: string;
  /** What the operator sees, in the operator's words; searched. */
  symptoms: readonly string[];
  tags: readonly string[];
  roles: readonly Role[];
  risk: Risk;
  /** Names of what it works on (`batch=ID`, `table=NAME`): one run at a time holds each. */
  targets: (input: Input) => string[];
  steps: readonly Step<Input>[];
  /**
   * Steps that look by means which nothing holds to looking (a program, a request), without its
   * author saying that they change nothing. Kept out of read-only mode.
   */
  mayChange?: readonly string[];
  /** The text it was read from, where steps are data and not functions; part of its hash. */
  source?: string;
  /** `import.meta.url` of the module it is written in: what that imports is part of its hash. */
  module?: string;
}

/** A runbook as it is written, with its inputs' types. */
export interface RunbookDraft<Schema extends z.ZodObject> extends RunbookBase<z.output<Schema>> {
  inputs: Schema;
}

export type Inputs = Record<string, unknown>;

/** A runbook as the engine and the faces see it: inputs are checked by `inputs`, not by types. */
export interface Runbook extends RunbookBase<Inputs> {
  inputs: z.ZodObject;
}

export type StepState =
  | 'pending'
  | 'running'
  | 'done'
  | 'skipped'
  | 'failed'
  | 'refused'
  | 'unknown';

export interface StepResult {
  id: string;
  kind: Step<unknown>['kind'];
  state: StepState;
  /** Of wall time; null while it has not ended. */
  seconds: number | null;
  summary: string;
  finding?: Finding;
  verified?: Verified;
  data?: JsonObject;
  branch?: Branch;
}

const idPattern = /^[a-z][a-z0-9]*(-[a-z0-9]+)*$/;

/** Declares a runbook; mistakes in the definition are bugs and throw at once. */
export function defineRunbook<Schema extends z.ZodObject>(draft: RunbookDraft<Schema>): Runbook {
  // Every input is parsed by `inputs` before a function of the runbook sees it.
  const runbook = draft as unknown as Runbook;
  const problems = definitionProblems(runbook);
  if (problems.length > 0) {
    throw new Error(`Runbook ${runbook.id}: ${problems.join('; ')}.`);
  }
  return runbook;
}

/** What is wrong with a definition, in words; empty when nothing is. */
export function definitionProblems({ id, steps, risk }: Runbook): string[] {
  const problems: string[] = [];
  const ids = steps.map((step) => step.id);
  for (const name of [id, ...ids]) {
    if (!idPattern.test(name)) problems.push(`"${name}" is no id`);
  }
  if (new Set(ids).size !== ids.length) problems.push('two steps have the same id');
  const first = (kind: Step<Inputs>['kind']) => steps.findIndex((step) => step.kind === kind);
  const act = first('act');
  if (risk === 'read') {
    if (act !== -1) problems.push('a runbook that only reads has an act');
    return problems;
  }
  if (act === -1) problems.push('a runbook that changes something has no act');
  const [plan, approve] = [first('plan'), first('approve')];
  if (plan === -1 || approve === -1 || plan > approve || approve > act) {
    problems.push('a plan, then its approval, must come before the first act');
  }
  return problems;
}
