import type { CommandContext } from '../../cli/context.js';
import type { ManagedContext } from '../../cli/create-context.js';
import { healthLooker } from '../../cli/health-looker.js';
import { allRunbooks } from '../../cli/runbook-catalogue.js';
import { errorMessage, isOperatorError } from '../../system/errors.js';
import { redact, redactDeep } from '../../system/redact.js';
import type { Loaded, Message, Stock, StockName } from '../state/model.js';
import { isAbsent, readEnvironment } from './environment.js';

/** What the first screen shows of the system: what the reviews of the shop depend on. */
const glanceChecks = [
  'database',
  'schema',
  'served-rows',
  'last-run',
  'reject-rate',
  'lake',
  'silver',
  'gold',
  'manifests',
  'password-age',
  'access-key-age',
  'incidents',
];

/** How many incidents are listed: those that are not closed, the most urgent first. */
const mostIncidents = 200;

/** How many runs are listed. */
const mostRuns = 200;

type Fetch = {
  [Name in StockName]: (context: CommandContext, id: string) => Promise<Stock[Name]['value']>;
};

/** How many looks the live screen has taken: serverless compute is woken by the first one only. */
let looks = 0;

const fetchers: Fetch = {
  environment: (context) => readEnvironment(context),
  runbooks: (context) => allRunbooks(context),
  glance: (context) => look(context, glanceChecks, 0),
  health: (context) => {
    looks += 1;
    return look(context, [], looks - 1);
  },
  runs: async (context) => {
    const [{ listRuns }, { endInterrupted }] = await Promise.all([
      import('../../runbooks/engine/history.js'),
      import('../../runbooks/engine/run-lock.js'),
    ]);
    const { home, now, signal } = context;
    await endInterrupted(home, { now, signal });
    return listRuns(home, { now: now(), limit: mostRuns });
  },
  batches: async (context) => {
    const { listBatches } = await import('../../lake/batches.js');
    return listBatches(await context.lake(), { now: context.now });
  },
  incidents: async (context) => {
    if (await isAbsent(context)) return [];
    const [{ listIncidents }, { withIncidents }] = await Promise.all([
      import('../../incidents/read-model.js'),
      import('../../cli/incidents.js'),
    ]);
    const list = (store: Parameters<typeof listIncidents>[0]) =>
      listIncidents(store, { limit: mostIncidents });
    return (await withIncidents(context, list)).incidents;
  },
  incident: async (context, id) => {
    const [{ showIncident }, { incidentId, withIncidents }] = await Promise.all([
      import('../../incidents/read-model.js'),
      import('../../cli/incidents.js'),
    ]);
    return withIncidents(context, (store) => showIncident(store, incidentId(id)));
  },
  related: async (context, runId) => {
    if (await isAbsent(context)) return { runId, incident: undefined };
    const { findIncidentOfRun } = await import('../../cli/incident-of-run.js');
    return { runId, incident: await findIncidentOfRun(context, runId) };
  },
  batch: async (context, id) => {
    const { showBatch } = await import('../../lake/batches.js');
    return showBatch(await context.lake(), id, { now: context.now });
  },
  journal: async (context, id) => {
    const { readRun } = await import('../../runbooks/engine/history.js');
    return { runId: id, ...(await readRun(context.home, id, context.now())) };
  },
};

async function look(context: CommandContext, names: readonly string[], round: number) {
  const { selectChecks } = await import('../../health/catalogue.js');
  return (await healthLooker(context, selectChecks(names), false))(round);
}

/** Without secrets, as everything that is shown. Runbooks are code and hold none. */
const presentable = (what: StockName, value: unknown): unknown =>
  what === 'runbooks' ? value : redactDeep(value);

/** Fetches with a context of its own: what was changed outside since the last time is seen. */
export class Loaders {
  readonly #post: (message: Message) => void;
  readonly #open: () => ManagedContext;
  /** The newest request for each: an older one that answers late is not shown. */
  readonly #newest = new Map<StockName, number>();

  constructor(post: (message: Message) => void, open: () => ManagedContext) {
    this.#post = post;
    this.#open = open;
  }

  async load(what: StockName, id = ''): Promise<void> {
    const turn = (this.#newest.get(what) ?? 0) + 1;
    this.#newest.set(what, turn);
    this.#post({ type: 'loading', what });
    const managed = this.#open();
    try {
      const value = presentable(what, await fetchers[what](managed.context, id));
      if (this.#newest.get(what) !== turn) return;
      const loaded: Loaded<unknown> = { value, error: undefined, loading: false, at: Date.now() };
      this.#post({ type: 'loaded', news: { [what]: loaded } });
    } catch (error) {
      if (this.#newest.get(what) !== turn) return;
      const hint = isOperatorError(error) && error.hint !== undefined ? ` ${error.hint}` : '';
      this.#post({ type: 'unloadable', what, error: redact(errorMessage(error) + hint) });
    } finally {
      await managed.cleanUp();
      managed.release();
    }
  }
}
