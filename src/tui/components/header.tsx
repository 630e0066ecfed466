import type { ReactElement } from 'react';
import { type Environment, type Model, type Screen, shown } from '../state/model.js';
import { clean, pad, widthOf } from '../text.js';
import type { Tone } from '../theme.js';
import { type Line, span, widthOfLine } from '../view/line.js';
import { LineView } from './lines.js';

const names: Record<Screen['name'], string> = {
  home: 'Home',
  runbook: 'Runbook',
  run: 'Run',
  health: 'Health',
  incidents: 'Incidents',
  incident: 'Incident',
  batches: 'Batches',
  batch: 'Batch',
  runs: 'Runs',
  journal: 'Events',
  commands: 'Commands',
};

const tones: Record<Environment['kind'], Tone> = {
  production: 'production',
  elsewhere: 'elsewhere',
  local: 'local',
  unreachable: 'bad',
  unknown: 'caution',
};

function crumb(model: Model, screen: Screen): string {
  if (screen.name === 'runbook') return screen.runbook.id;
  if (screen.name === 'run') {
    const id = model.run?.runbook.id ?? '';
    const below = model.screens.at(-2);
    return below?.name === 'runbook' && below.runbook.id === id ? 'run' : `run ${id}`;
  }
  if (screen.name === 'incident') {
    const id = model.stock.incident.value?.incidentId;
    return id === undefined ? 'Incident' : `#${id}`;
  }
  if (screen.name === 'batch') return model.stock.batch.value?.batchId ?? 'Batch';
  if (screen.name === 'journal') return model.stock.journal.value?.runId ?? 'Events';
  return names[screen.name];
}

/** The way here, the end of it where there is no room for all. */
function crumbs(model: Model, width: number): string {
  const names = model.screens.map((screen) => clean(crumb(model, screen)));
  const all = `reviewops  ${names.join(' › ')}`;
  for (let from = 1; from < names.length && widthOf(all) > width; from += 1) {
    const shorter = `reviewops  … › ${names.slice(from).join(' › ')}`;
    if (widthOf(shorter) <= width) return shorter;
  }
  return all;
}

/** Where somebody is, and what they are connected to: in the same place on every screen. */
export function Header({ model }: { model: Model }): ReactElement {
  const { columns } = model.size;
  const { value, loading } = model.stock.environment;
  const where =
    value === undefined
      ? span(loading ? ' connecting … ' : ' not connected ', 'caution')
      : span(` ${value.name} `, tones[value.kind]);
  const asks = model.run?.question !== undefined && shown(model).name !== 'run';
  const right: Line = [
    ...(asks ? [span(' a run waits for your answer: w ', 'elsewhere'), span(' ')] : []),
    ...(model.readOnly ? [span(' READ-ONLY ', 'elsewhere'), span(' ')] : []),
    where,
  ];
  const left = Math.max(10, columns - widthOfLine(right));
  return (
    <LineView
      line={[{ text: pad(crumbs(model, left), left), tone: 'title' }, ...right]}
      width={columns}
    />
  );
}
