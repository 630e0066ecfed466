import { configSchema } from '../../src/config/schema.js';

/** Settings that extract these tables of schema `amazon` beside those of the default. */
export const settingsWith = (tables: string[], pipeline: object = {}): object => ({
  source: { tables: [...(configSchema.parse({}).source.tables as string[]), ...tables] },
  pipeline,
});
