import { vacuumRunbook } from './support/vacuum-runbook.js';

export default vacuumRunbook(false, {
  module: import.meta.url,
  id: 'vacuum',
  title: 'Vacuum and analyse the database',
  summary:
    'Names what keeps dead rows alive, then vacuums and analyses the tables that have them, makes a checkpoint, and measures again. Readers and writers go on.',
  symptoms: [
    'inconsistent rows in the database',
    'queries got slow',
    'tables grow',
    'autovacuum does not keep up',
    'bloat',
    'dead tuples',
    'dead rows',
    'statistics are out of date',
    'materialized view is out of date',
    'transaction id wraparound',
  ],
  tags: ['database', 'maintenance', 'vacuum'],
  roles: ['admin', 'data-engineer'],
  risk: 'change',
});
