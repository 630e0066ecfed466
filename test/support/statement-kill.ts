import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import pg from 'pg';
import type { Runbook } from '../../src/runbooks/engine/definition.js';
import type { RotationWorld } from './rotation.js';

/** What changes something, and where transactions begin and end. */
const changes = /^(ALTER|CREATE|GRANT|REVOKE|REASSIGN|BEGIN|COMMIT)/;

/** Lets the process die at the nth statement by which it changes roles. */
export async function dieAtStatement(
  world: RotationWorld,
  runbook: Runbook,
  nth: number,
  when: 'before' | 'after',
): Promise<boolean> {
  type Query = (this: pg.Client, ...args: unknown[]) => Promise<unknown>;
  const original = pg.Client.prototype.query as unknown as Query;
  const forEver = new Promise<never>(() => undefined);
  let reached: () => void = () => undefined;
  const died = new Promise<boolean>((resolve) => {
    reached = () => resolve(true);
  });
  let seen = 0;
  const patched: Query = async function (...args) {
    const ours = (this as unknown as { connectionParameters: { application_name?: string } })
      .connectionParameters.application_name;
    const statement = typeof args[0] === 'string' ? args[0] : '';
    if (ours !== 'reviewops rotate credential' || !changes.test(statement)) {
      return original.apply(this, args);
    }
    if (seen > nth) return forEver;
    const here = seen === nth;
    seen += 1;
    if (here && when === 'before') {
      hangUp(this);
      reached();
      return forEver;
    }
    const result = await original.apply(this, args);
    if (!here) return result;
    hangUp(this);
    reached();
    return forEver;
  };
  (pg.Client.prototype as unknown as { query: Query }).query = patched;
  try {
    const run = world.run(runbook).then(() => false);
    return await Promise.race([died, run]);
  } finally {
    (pg.Client.prototype as unknown as { query: Query }).query = original;
  }
}

const hangUp = (client: pg.Client): void => {
  (
    client as unknown as { connection: { stream: { destroy(): void } } }
  ).connection.stream.destroy();
};

/** The id of the one run of this world. */
export const onlyRun = async (world: RotationWorld): Promise<string | undefined> => {
  const [file] = (await readdir(join(world.home, 'runs'))).filter((name) =>
    name.endsWith('.jsonl'),
  );
  return file?.slice(0, -'.jsonl'.length);
};
