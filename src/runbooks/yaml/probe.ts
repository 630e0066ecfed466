import type { DatabaseClient } from '../../database/client.js';
import { errorMessage, isOperatorError, throwIfAborted, unreachable } from '../../system/errors.js';
import type { Inputs, Json, StepContext } from '../engine/definition.js';
import { runCommand } from '../engine/process.js';
import { fillIn, fillInSecrets } from './fill-in.js';
import type { Probe } from './schema.js';

/** What a shell command, a statement or a request gave. */
export interface Outcome {
  /** Exit code or HTTP status; null for SQL. */
  code: number | null;
  /** Output, first value of the first row, or body. */
  text: string;
  /** Whether it is what was expected. */
  met: boolean;
  /** In words. */
  summary: string;
}

type Context = StepContext<Inputs>;

/** Runs it and judges it by `expect`. */
export async function perform(probe: Probe, context: Context): Promise<Outcome> {
  const { code, text } = await execute(probe, context);
  const problem = unmet(probe, code, text);
  const shown = (text.split('\n').find((line) => line.trim() !== '') ?? '').slice(0, 200);
  return {
    code,
    text,
    met: problem === undefined,
    summary: [problem ?? 'As expected', shown].filter((part) => part !== '').join(': '),
  };
}

function execute(probe: Probe, context: Context): Promise<{ code: number | null; text: string }> {
  if (probe.shell !== undefined) return shell(probe.shell, probe.env ?? {}, context);
  if (probe.sql !== undefined) return sql(probe.sql, probe.values ?? [], context);
  if (probe.http !== undefined) return request(probe.http, context);
  throw new Error('A probe has a way to look.');
}

async function shell(words: readonly string[], env: Record<string, string>, context: Context) {
  const { input } = context;
  const argv = words.map((word) => fillIn(word, input));
  const filled = Object.entries(env).map(
    ([name, value]) => [name, fillInSecrets(value, input, process.env)] as const,
  );
  const { exitCode, stdout } = await runCommand(context, argv, { env: Object.fromEntries(filled) });
  return { code: exitCode, text: stdout.trimEnd() };
}

type Row = Record<string, unknown>;

/**
 * A session that is read-only by default can be told otherwise by its first statement. Inside a
 * transaction it cannot, and the extended protocol takes one statement, which cannot end that.
 */
const look = (client: DatabaseClient, text: string, values: string[]): Promise<Row[]> =>
  client.transaction(async () => {
    const statement = { text, values, queryMode: 'extended' };
    return client.use(async (driver) => (await driver.query<Row>(statement)).rows);
  }, 'READ ONLY');

/** The rows of a statement; unless the step acts, of one that cannot change anything. */
export async function rowsOf(
  statement: string,
  values: readonly string[],
  context: Context,
): Promise<Record<string, Json>[]> {
  const { withClient } = await import('../../database/client.js');
  const { services, signal, input } = context;
  const target = await services.database();
  const options = { purpose: 'runbook', settings: services.config.database, signal };
  const filled = values.map((value) => fillIn(value, input));
  const rows = await withClient(target, options, (client) =>
    context.readOnly ? look(client, statement, filled) : client.query<Row>(statement, filled),
  );
  return JSON.parse(
    JSON.stringify(rows, (_key, value: unknown) =>
      typeof value === 'bigint' ? String(value) : value,
    ),
  ) as Record<string, Json>[];
}

async function sql(statement: string, values: readonly string[], context: Context) {
  const [row = {}] = await rowsOf(statement, values, context);
  const [value] = Object.values(row);
  const text = value === undefined || value === null ? '' : value;
  return { code: null, text: typeof text === 'string' ? text : JSON.stringify(text) };
}

/** How much of an answer is looked at, in characters. */
const keptCharacters = 64_000;

async function request(
  { url, method, headers = {}, body }: NonNullable<Probe['http']>,
  { input, signal }: Context,
) {
  const secret = (text: string) => fillInSecrets(text, input, process.env);
  const address = fillIn(url, input);
  try {
    const response = await fetch(address, {
      method,
      signal,
      // Credentials must not follow a redirection to somewhere else.
      redirect: 'manual',
      headers: Object.fromEntries(
        Object.entries(headers).map(([name, value]) => [name, secret(value)]),
      ),
      ...(body === undefined ? {} : { body: secret(body) }),
    });
    return { code: response.status, text: (await response.text()).slice(0, keptCharacters) };
  } catch (error) {
    throwIfAborted(signal);
    if (isOperatorError(error)) throw error;
    const cause = error instanceof Error && error.cause !== undefined ? error.cause : error;
    throw unreachable('HTTP_UNREACHABLE', `${method} ${address}: ${errorMessage(cause)}.`, {
      hint: 'Check the address, and that the service runs.',
      cause: error,
    });
  }
}

/** What was expected and is not so; undefined when all is. */
function unmet({ shell: argv, http, expect }: Probe, code: number | null, text: string) {
  if (argv !== undefined && code !== (expect.exitCode ?? 0)) return `Exit code ${code}`;
  if (http !== undefined) {
    const status = code ?? 0;
    const fits =
      expect.status === undefined ? status >= 200 && status < 300 : status === expect.status;
    if (!fits) return `HTTP status ${code}`;
  }
  const { matches, equals, atLeast, atMost } = expect;
  if (matches !== undefined && !new RegExp(matches, 'm').test(text))
    return `Does not match ${matches}`;
  if (equals !== undefined && text.trim() !== equals) return `Not ${equals}`;
  const value = text.trim() === '' ? Number.NaN : Number(text);
  // Not below: what is no number is not as expected either.
  if (atLeast !== undefined && !(value >= atLeast)) return `Not at least ${atLeast}`;
  if (atMost !== undefined && !(value <= atMost)) return `Not at most ${atMost}`;
  return undefined;
}
