import type { DatabaseTarget } from '../database/target.js';
import type { Outlets } from '../incidents/delivery.js';
import type { IncidentRow } from '../incidents/read-model.js';
import type { Delivered } from '../incidents/spool.js';
import type { Incident, IncidentStore } from '../incidents/store.js';
import { ExitCode, errorMessage, invalid, isOperatorError } from '../system/errors.js';
import { thisProcess } from '../system/owner.js';
import type { CommandContext } from './context.js';

/** Who acts. */
export const person = (): string => thisProcess().user;

/** The channels and trackers of the configuration. */
export async function outletsOf(context: CommandContext): Promise<Outlets> {
  const { openOutlets } = await import('../incidents/delivery.js');
  const [{ incidents }, { lookup }] = await Promise.all([context.config(), context.surroundings()]);
  return openOutlets(incidents, (name) => lookup(name)?.value);
}

/**
 * Opens the store of incidents for the time of `work`: first hands over what waits on this machine,
 * afterwards tells the channels.
 */
export async function withIncidents<T>(
  context: CommandContext,
  work: (store: IncidentStore, delivered: Delivered) => Promise<T>,
  options: { target?: DatabaseTarget; connectTimeoutSeconds?: number } = {},
): Promise<T> {
  const [{ withStore }, config, target] = await Promise.all([
    import('../incidents/store.js'),
    context.config(),
    options.target ?? context.database(),
  ]);
  const { signal, now } = context;
  const { connectTimeoutSeconds } = options;
  const limit = connectTimeoutSeconds === undefined ? {} : { connectTimeoutSeconds };
  return withStore({ target, config, signal, now, ...limit }, async (store) => {
    const result = await work(store, await handOver(context, store));
    await tellChannels(context, store);
    return result;
  });
}

/** What cannot be handed over stays where it is; the command has work of its own. */
async function handOver(context: CommandContext, store: IncidentStore): Promise<Delivered> {
  const { deliverSpool, spoolNames } = await import('../incidents/spool.js');
  const nothing: Delivered = { recorded: [] };
  if ((await spoolNames(context.home)).length === 0) return nothing;
  const { withSpool } = await import('../incidents/local.js');
  try {
    const delivered = await withSpool(context.home, context, () =>
      deliverSpool(store, context.home),
    );
    return delivered ?? nothing;
  } catch (error) {
    if (isOperatorError(error) && error.exitCode === ExitCode.unreachable) throw error;
    context.warn(`An incident waits on this machine: ${errorMessage(error)}`);
    return nothing;
  }
}

/** One round; what fails waits for the next command, or for `incident escalate --due`. */
async function tellChannels(context: CommandContext, store: IncidentStore): Promise<void> {
  const { channels, trackers } = store.config;
  if (channels.length + trackers.length === 0) return;
  const { sendDue } = await import('../incidents/delivery.js');
  const { failed, stuck } = await sendDue(store, await outletsOf(context), {
    signal: context.signal,
    rounds: 2,
  });
  if (failed + stuck > 0) {
    context.warn(
      `${failed + stuck} messages could not be sent; \`reviewops incident outbox\` shows why.`,
    );
  }
}

/** Does something to one incident; gives it as it stands then. */
export async function changeIncident(
  context: CommandContext,
  work: (store: IncidentStore) => Promise<Incident>,
): Promise<{ incidents: IncidentRow[] }> {
  const { rowOf } = await import('../incidents/read-model.js');
  return withIncidents(context, async (store) => ({
    incidents: [rowOf(await work(store), store.config, store.now())],
  }));
}

/** @throws USAGE_ERROR (exit 2) */
export function incidentId(text: string): number {
  const id = /^#?(\d{1,9})$/.exec(text)?.[1];
  if (id !== undefined) return Number(id);
  throw invalid('USAGE_ERROR', `${JSON.stringify(text)} is not the number of an incident.`, {
    hint: '`reviewops incident list` shows the numbers.',
  });
}
