import { expect, it } from 'vitest';
import { parseConfig } from '../../src/config/parse-document.js';
import { findProblems } from '../../src/config/problems.js';
import { configSchema } from '../../src/config/schema.js';
import { allSettings } from '../../src/config/settings.js';
import { configTemplate } from '../../src/config/template.js';

it('the written file is valid, changes nothing, and names both profiles', () => {
  const document = parseConfig(configTemplate(), '/p/reviewops.config.yaml', '/p');
  expect(document.problems).toEqual([]);
  expect(findProblems(document.base, document.locate)).toEqual([]);
  expect(configSchema.parse(document.base)).toEqual(configSchema.parse({}));
  expect([...document.profiles.keys()]).toEqual(['dev', 'prod']);
});

it('every default in the file is the real one', () => {
  // What an operator gets who uncomments every setting that has a default.
  const names = new Set(allSettings().map(({ path }) => path.at(-1)));
  const uncommented = configTemplate()
    .split('\n')
    .map((line) => {
      const match = /^( *)# (\w+): (.+)$/.exec(line);
      return match !== null && names.has(match[2]) ? `${match[1]}${match[2]}: ${match[3]}` : line;
    })
    .join('\n');
  const document = parseConfig(uncommented, '/p/reviewops.config.yaml', '/p');
  expect(document.problems).toEqual([]);
  expect(document.base).not.toEqual({});
  expect(configSchema.parse(document.base)).toEqual(configSchema.parse({}));
});

it('every setting is described, and has a variable of its own', () => {
  expect(
    allSettings()
      .filter(({ description }) => description === '')
      .map(({ key }) => key),
  ).toEqual([]);
  expect(new Set(allSettings().map(({ environment }) => environment)).size).toBe(
    allSettings().length,
  );
});
