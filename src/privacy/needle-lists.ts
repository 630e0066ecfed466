import { type Engine, literal, quoteName } from '../engine/session.js';
import type { Domain } from './model.js';
import type { Needles } from './needles.js';
import type { Shape } from './shapes.js';

/** Few values are written into the statement as bound variables, many are joined. */
const fewValues = 30;

/**
 * Makes the values available to statements of the engine, and gives for each domain of the shape
 * what stands behind IN. No value is part of a statement's text, where an error would quote it.
 */
export async function needleLists(
  engine: Engine,
  needles: Needles,
  shape: Pick<Shape, 'owning'>,
): Promise<Map<Domain, string>> {
  const lists = new Map<Domain, string>();
  const domains = [...new Set(shape.owning.map(({ domain }) => domain))];
  for (const domain of domains) {
    const values = needles.of(domain);
    if (values.length === 0) continue;
    if (values.length <= fewValues) {
      const names = values.map((_value, place) => `needle ${place} of ${domain}`);
      for (const [place, value] of values.entries()) {
        await engine.run(`SET VARIABLE ${quoteName(names[place] ?? '')} = $1`, [value]);
      }
      lists.set(domain, `(${names.map((name) => `getvariable(${literal(name)})`).join(', ')})`);
      continue;
    }
    await engine.run('CREATE TABLE IF NOT EXISTS needle (domain VARCHAR, value VARCHAR)');
    await engine.run('DELETE FROM needle WHERE domain = $1', [domain]);
    const size = 500;
    for (let at = 0; at < values.length; at += size) {
      const some = values.slice(at, at + size);
      await engine.run(
        `INSERT INTO needle VALUES ${some.map((_value, place) => `($1, $${place + 2})`).join(', ')}`,
        [domain, ...some],
      );
    }
    lists.set(domain, `(SELECT value FROM needle WHERE domain = ${literal(domain)})`);
  }
  return lists;
}
