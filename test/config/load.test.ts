import { chmod } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { type LoadOptions, loadConfig } from '../../src/config/load.js';
import { sandbox } from '../support/sandbox.js';

async function load(
  files: Record<string, string>,
  options: Partial<LoadOptions> & { from?: string } = {},
) {
  const root = await sandbox(files);
  const warnings: string[] = [];
  const cwd = join(root, options.from ?? '.');
  const environment = { HOME: join(root, 'home'), ...options.environment };
  const loading = loadConfig({
    ...options,
    cwd,
    environment,
    warn: (message) => warnings.push(message),
  });
  return { root, loaded: await loading, warnings };
}

const project = 'reviewops.config.yaml';

describe('precedence', () => {
  it('has a default for everything', async () => {
    const { loaded } = await load({});
    expect(loaded.config.pipeline.threads).toBe(2);
    expect(loaded.profile).toBe('dev');
    expect(loaded.file).toBeUndefined();
    expect(new Set(loaded.origins.map(({ source }) => source))).toEqual(new Set(['default']));
  });

  it('takes variables before the project, the project before the user, and names each origin', async () => {
    const { loaded, root } = await load(
      {
        [project]:
          'pipeline:\n  threads: 3\n  parallelism: 3\nprofiles:\n  prod:\n    pipeline:\n      chunkSize: 3MB\n',
        'home/.config/reviewops/config.yaml':
          'pipeline: {threads: 4, parallelism: 4, chunkSize: 4MB, memoryLimit: 4GB}\nprofiles: {prod: {pipeline: {memoryLimit: 5GB}}}\n',
        '.env': 'REVIEWOPS_PIPELINE_PARALLELISM=5\nREVIEWOPS_PIPELINE_THREADS=5\n',
      },
      { profile: 'prod', environment: { REVIEWOPS_PIPELINE_THREADS: '6' } },
    );
    const { threads, parallelism, chunkSize, memoryLimit } = loaded.config.pipeline;
    expect({ threads, parallelism, chunkSize, memoryLimit }).toEqual({
      threads: 6,
      parallelism: 5,
      chunkSize: '3MB',
      memoryLimit: '5GB',
    });
    const source = (key: string) => loaded.origins.find((origin) => origin.key === key)?.source;
    expect(source('pipeline.threads')).toBe('environment REVIEWOPS_PIPELINE_THREADS');
    expect(source('pipeline.parallelism')).toBe(
      `${join(root, '.env')} REVIEWOPS_PIPELINE_PARALLELISM`,
    );
    expect(source('pipeline.chunkSize')).toBe('profile prod (reviewops.config.yaml:7)');
    expect(source('pipeline.memoryLimit')).toBe(
      'profile prod (home/.config/reviewops/config.yaml:2)',
    );
    expect(source('pipeline.rejectWarningPercent')).toBe('default');
  });

  it('finds the project file above the working directory', async () => {
    const { loaded, root } = await load(
      { [project]: 'lake: {path: ./lake}\n', 'a/b/.keep': '' },
      { from: 'a/b' },
    );
    expect(loaded.file).toBe(join(root, project));
    // Relative to the file, not to where the command runs.
    expect(loaded.config.lake.path).toBe(join(root, 'lake'));
  });

  it('replaces lists, merges sections, and keeps null for a column that is not there', async () => {
    const { loaded } = await load({
      [project]: [
        'source:',
        '  tables: [a, b]',
        '  entities: {review: {created_at: null}}',
        'pipeline:',
        'profiles:',
        '  dev:',
        '    source: {tables: [c]}',
        '  prod:',
      ].join('\n'),
    });
    expect(loaded.config.source.tables).toEqual(['c']);
    expect(loaded.config.source.entities.review).toMatchObject({
      created_at: null,
      title: 'title',
    });
    expect(loaded.config.pipeline.threads).toBe(2);
  });

  it('reads variables by the type of their setting', async () => {
    const { loaded } = await load(
      {},
      {
        environment: {
          REVIEWOPS_SOURCE_MANAGED: 'false',
          REVIEWOPS_SOURCE_TABLES: 'review, product',
          REVIEWOPS_SOURCE_ENTITIES_REVIEW_CREATED_AT: 'null',
          REVIEWOPS_PIPELINE_SCORE_WEIGHTS_HELPFUL: '',
          REVIEWOPS_PIPELINE_SCORE_WEIGHTS_VOTES: '0.5',
        },
      },
    );
    expect(loaded.config.source.managed).toBe(false);
    expect(loaded.config.source.tables).toEqual(['review', 'product']);
    expect(loaded.config.source.entities.review.created_at).toBeNull();
    expect(loaded.config.pipeline.score.weights).toEqual({ votes: 0.5 });
  });

  it('warns of a variable that is misspelled', async () => {
    const { warnings } = await load({}, { environment: { REVIEWOPS_PIPELINE_TREADS: '3' } });
    expect(warnings).toEqual([
      'The variable REVIEWOPS_PIPELINE_TREADS sets nothing; did you mean REVIEWOPS_PIPELINE_THREADS?',
    ]);
  });
});

describe('mistakes', () => {
  const rejection = (text: string, options: Parameters<typeof load>[1] = {}) =>
    expect(load({ [project]: text }, options)).rejects;

  it('are all reported at once, with line, column, and what is allowed', async () => {
    await rejection(
      [
        'pipeline:',
        '  threds: 3',
        '  threads: two',
        '  score: {preset: defualt, weights: {lenght: 1}}',
        'database: {port: 99999}',
        'profiles:',
        '  prod:',
        '    pipeline:',
        '      memoryLimit: lots',
        '  odd: 4',
      ].join('\n'),
    ).toMatchObject({
      code: 'CONFIG_INVALID',
      exitCode: 2,
      message: [
        'The configuration has 7 mistakes:',
        'reviewops.config.yaml:2:3: pipeline.threds is no setting; did you mean threads? known here: parallelism, memoryLimit, threads, chunkSize, rejectWarningPercent, rejectCriticalPercent, score',
        'reviewops.config.yaml:3:12: pipeline.threads must be a whole number from 1 to 128; it is "two"',
        'reviewops.config.yaml:4:19: pipeline.score.preset must be one of: default, original; it is "defualt"',
        'reviewops.config.yaml:4:38: pipeline.score.weights.lenght is no setting; did you mean length? known here: length, image, verified, extremity, freshness, votes, buyer, sentiment',
        'reviewops.config.yaml:5:18: database.port must be a whole number from 0 to 65535; it is 99999',
        'reviewops.config.yaml:9:20: profiles.prod.pipeline.memoryLimit must be a text such as 512MB or 2GB; it is "lots"',
        'reviewops.config.yaml:10:8: profiles.odd must hold settings by name',
      ].join('\n  '),
    });
  });

  it.each([
    ['a: [1', /reviewops\.config\.yaml:1:\d+: /],
    ['- a\n- b\n', /reviewops\.config\.yaml:1:1: must hold settings by name/],
    ['pipeline: 3\n', /:1:11: pipeline must be a section with any of: parallelism/],
    ['pipeline: {threads: 1}\npipeline: {threads: 2}\n', /:2:1: Map keys must be unique/],
    ['---\nlake: {}\n---\nlake: {}\n', /:3:1: starts a second document/],
    ['5: 1\n', /:1:1: 5 is no setting/],
    ['lake: *nowhere\n', /:1:7: \*nowhere refers to nothing; &nowhere has to stand before it/],
    ['lake: &a\n  layers: *a\n', /:2:11: \*a refers to what it stands in/],
    [
      `a: &a [1]\n${[...'bcd'].map((name, i) => `${name}: &${name} [${Array(20).fill(`*${'abc'[i]}`)}]\n`).join('')}`,
      /reviewops\.config\.yaml: repeats too much by aliases/,
    ],
    ['profiles: [dev]\n', /:1:11: profiles must hold profiles by name/],
    ['source: {tables: 3}\n', /source.tables must be "all", or a list of strings; it is 3/],
    ['source: {tables: [a, 3]}\n', /source.tables must be/],
  ])('in %j are placed', async (text, message) => {
    await rejection(text).toMatchObject({
      code: 'CONFIG_INVALID',
      message: expect.stringMatching(message),
    });
  });

  it('in a variable name the variable', async () => {
    await rejection('', { environment: { REVIEWOPS_PIPELINE_THREADS: 'many' } }).toMatchObject({
      message: expect.stringContaining(
        'environment REVIEWOPS_PIPELINE_THREADS: pipeline.threads must be a whole number from 1 to 128; it is "many"',
      ),
    });
  });

  it('of the profile list the profiles', async () => {
    await rejection('profiles: {staging: }\n', { profile: 'stagin' }).toMatchObject({
      code: 'PROFILE_UNKNOWN',
      exitCode: 2,
      hint: 'Did you mean staging? Profiles: dev, prod, staging.',
    });
  });

  it('of --config name the file', async () => {
    await rejection('', { file: 'absent.yaml' }).toMatchObject({ code: 'CONFIG_NOT_FOUND' });
    await rejection('', { file: '.' }).toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('of permission name the path', async () => {
    const root = await sandbox({ [project]: '' });
    await chmod(join(root, project), 0);
    const options = { cwd: root, environment: { HOME: root }, warn: () => undefined };
    // Root may read all, so it looks as somebody else.
    const isRoot = process.getuid?.() === 0;
    if (isRoot) await chmod(root, 0o755);
    if (isRoot) process.seteuid?.(65534);
    try {
      await expect(loadConfig(options)).rejects.toMatchObject({ code: 'PERMISSION_DENIED' });
    } finally {
      if (isRoot) process.seteuid?.(0);
    }
  });
});

describe('secrets in the file', () => {
  it.each([
    ['NEON_DB_URL: geheim77\n', 'NEON_DB_URL'],
    ['database:\n  password: geheim77\n', 'password'],
    ['database: {awsSecretAccessKey: geheim77}\n', 'awsSecretAccessKey'],
    ['lake: {path: "postgresql://app:geheim77@host/db"}\n', 'path'],
    ['source: {tables: ["postgres://app:geheim77@host/db"]}\n', ''],
    ['profiles: {prod: {pseudonymKey: geheim77}}\n', 'pseudonymKey'],
  ])('are refused and not repeated: %j', async (text, key) => {
    const error = await load({ [project]: text }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'CONFIG_INVALID', exitCode: 2 });
    const { message } = error as Error;
    expect(message).toContain(
      `${key} holds a secret; secrets belong in the environment or .env`.trim(),
    );
    expect(message).not.toContain('geheim77');
  });
});
