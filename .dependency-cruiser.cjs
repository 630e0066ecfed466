// The import-direction rule of the project: arrows run one way,
// commands, tui, api -> cli -> runbooks -> domains -> lake, database, engine -> config -> system.
const domains =
  'pipeline|import|diagnosis|health|incidents|privacy|credentials|maintenance|access|schedule|risks|orders';
const stores = 'lake|database|engine';
const faces = 'commands|tui|api|cli';

const forbid = (name, from, to, comment) => ({
  name,
  comment,
  severity: 'error',
  from: { path: `^src/(${from})/` },
  to: { path: `^src/(${to})/` },
});

module.exports = {
  forbidden: [
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, dependencyTypesNot: ['type-only'] },
    },
    {
      name: 'no-orphans',
      severity: 'error',
      from: { orphan: true, pathNot: ['^src/commands/', '\\.d\\.ts$'] },
      to: {},
    },
    forbid(
      'system-is-lowest',
      'system',
      `config|${stores}|${domains}|runbooks|${faces}`,
      'system imports nothing of ours',
    ),
    forbid(
      'config-below-stores',
      'config',
      `${stores}|${domains}|runbooks|${faces}`,
      'config imports system only',
    ),
    forbid(
      'stores-below-domains',
      stores,
      `${domains}|runbooks|${faces}`,
      'lake, database and engine know no domain',
    ),
    forbid(
      'domains-below-runbooks',
      domains,
      `runbooks|${faces}`,
      'a domain knows neither runbooks nor faces',
    ),
    forbid('runbooks-below-faces', 'runbooks', faces, 'a runbook knows no face'),
    forbid(
      'cli-below-commands',
      'cli',
      'commands|tui|api',
      'what commands share imports no command',
    ),
    {
      name: 'domains-know-no-framework',
      severity: 'error',
      from: { path: `^src/(system|config|${stores}|${domains}|runbooks)/` },
      to: { path: 'node_modules/(@oclif|ink|react|fastify)/' },
    },
    {
      name: 'commands-stay-thin',
      comment: 'no SQL, AWS or file format in a command',
      severity: 'error',
      from: { path: '^src/commands/' },
      to: { path: 'node_modules/(pg|@aws-sdk|@duckdb|pg-copy-streams)/' },
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default'],
    },
  },
};
