import { vacuumRunbook } from './support/vacuum-runbook.js';

export default vacuumRunbook(true, {
  module: import.meta.url,
  id: 'vacuum-full',
  title: 'Give the space of dead rows back to the disk',
  summary:
    'Writes tables anew without their dead rows (VACUUM FULL). Nobody reads or writes a table meanwhile, and it needs room for a second copy.',
  symptoms: [
    'database disk is full',
    'table is much larger than its rows',
    'bloat after a mass delete',
  ],
  tags: ['database', 'maintenance', 'vacuum', 'space'],
  roles: ['admin'],
  risk: 'destroy',
});
