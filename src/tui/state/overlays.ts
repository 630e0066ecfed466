import { type Action, type Binding, bindings } from '../keys.js';
import type { Press } from '../terminal/decode.js';
import { bindingsOf, contextsOf, isAvailable } from './contexts.js';
import { editField, fieldOf } from './field.js';
import { change, changeOf, incidentText } from './incidents.js';
import { matches } from './list.js';
import { type Model, type Overlay, type PromptPurpose, stay, tell, type Update } from './model.js';

/** A line of the help or of the palette, and what it does. */
export interface Choice {
  name: string;
  description: string;
  /** Other words that find it. */
  also: readonly string[];
  does: { type: 'action'; action: Action } | { type: 'runbook'; id: string };
}

export const openOverlay = (model: Model, name: 'help' | 'palette'): Model => ({
  ...model,
  // Nothing is chosen before a letter or an arrow: Enter alone does nothing.
  overlay: { name, field: fieldOf(), cursor: -1 },
});

export const openPrompt = (model: Model, purpose: PromptPurpose): Model => ({
  ...model,
  overlay: { name: 'prompt', purpose, field: fieldOf(), problem: undefined },
});

/** What the overlay offers for what was typed. */
export function choicesOf(model: Model): Choice[] {
  const { overlay } = model;
  if (overlay === undefined || overlay.name === 'prompt') return [];
  const below: Model = { ...model, overlay: undefined };
  const query = overlay.field.value.trim();
  const all = overlay.name === 'help' ? helpChoices(below) : paletteChoices(below);
  const found = all.filter(({ name, description, also }) =>
    matches(query, [name, description, ...also]),
  );
  if (overlay.name === 'help') return found;
  // A name that is as typed comes first, then what begins so, then a word somewhere in a sentence.
  const rank = ({ name, also }: Choice) => {
    const names = [name, ...also];
    if (names.includes(query)) return 0;
    return names.some((one) => one.startsWith(query)) ? 1 : 2;
  };
  return found.toSorted((a, b) => rank(a) - rank(b));
}

const helpChoices = (model: Model): Choice[] =>
  bindingsOf(model)
    .filter(({ keys }) => keys.length > 0)
    .map(({ keys, description, action, label, commands = [] }) => ({
      name: keys.join(' '),
      description,
      also: [label, ...commands],
      does: { type: 'action', action },
    }));

const isCommand = (binding: Binding): binding is Binding & { commands: readonly string[] } =>
  binding.commands !== undefined;

function paletteChoices(model: Model): Choice[] {
  const contexts = contextsOf(model);
  const commands = bindings
    .filter(isCommand)
    .filter(({ context, action }) => contexts.includes(context) && isAvailable(model, action))
    .map(
      ({ commands: [name = '', ...also], description, action }): Choice => ({
        name,
        description,
        also,
        does: { type: 'action', action },
      }),
    );
  const runbooks = (model.stock.runbooks.value ?? []).map(
    ({ id, title }): Choice => ({
      name: id,
      description: title,
      also: [],
      does: { type: 'runbook', id },
    }),
  );
  return [...commands, ...runbooks];
}

/** The choice under the cursor, wherever the cursor was left. */
export function chosen(model: Model): Choice | undefined {
  const { overlay } = model;
  if (overlay === undefined || overlay.name === 'prompt') return undefined;
  const choices = choicesOf(model);
  return choices[Math.min(overlay.cursor, choices.length - 1)];
}

/** A press in the text of an overlay. */
export function typeOverlay(model: Model, overlay: Overlay, press: Press): Model {
  const field = editField(overlay.field, press);
  if (field === undefined) return model;
  return overlay.name === 'prompt'
    ? { ...model, overlay: { ...overlay, field, problem: undefined } }
    : { ...model, overlay: { ...overlay, field, cursor: field.value.trim() === '' ? -1 : 0 } };
}

/** The palette's text becomes the chosen name. */
export function complete(model: Model): Model {
  const choice = chosen(model);
  const { overlay } = model;
  if (choice === undefined || overlay?.name !== 'palette') return model;
  return { ...model, overlay: { ...overlay, field: fieldOf(choice.name), cursor: 0 } };
}

/** What has to be typed at a prompt, or what is asked for. */
export function promptText(purpose: PromptPurpose): string {
  switch (purpose.to) {
    case 'note':
      return 'Note for the journal of the run:';
    case 'skip':
      return `Why is ${purpose.step} skipped? The reason goes into the journal.`;
    case 'allow-changes':
      return 'Runbooks may change things from here on, each after its plan was approved. Type allow changes:';
    case 'acknowledge':
    case 'incident-note':
    case 'resolve':
    case 'close':
    case 'escalate':
    case 'post-mortem':
    case 'incident-of-run':
      return incidentText(purpose);
    case 'leave':
      return 'A run goes on. Type leave to stop it at its next safe point and leave; it can be resumed.';
  }
}

/** Enter at a prompt. */
export function submitPrompt(model: Model): Update {
  const { overlay } = model;
  if (overlay?.name !== 'prompt') return stay(model);
  const { purpose, field } = overlay;
  const typed = field.value.trim();
  const closed: Model = { ...model, overlay: undefined };
  const wrong = (problem: string): Update =>
    stay({ ...model, overlay: { ...overlay, field: fieldOf(), problem } });
  switch (purpose.to) {
    case 'note':
      if (typed === '') return wrong('Say something, or leave with esc.');
      return stay(tell(closed, 'Noted.'), { type: 'note', text: typed, step: purpose.step });
    case 'skip':
      if (typed === '') return wrong('A reason is needed.');
      return stay(tell(closed, `${purpose.step} is skipped.`, 'caution'), {
        type: 'skip',
        step: purpose.step,
        reason: typed,
      });
    case 'allow-changes':
      if (typed !== 'allow changes') return wrong('Type exactly: allow changes');
      return stay(tell({ ...closed, readOnly: false }, 'Changes are allowed now.', 'caution'));
    case 'acknowledge':
    case 'incident-note':
    case 'resolve':
    case 'close':
    case 'escalate':
    case 'post-mortem':
    case 'incident-of-run': {
      const wanted = changeOf(purpose, typed);
      if (typeof wanted === 'string') return wrong(wanted);
      return 'asks' in wanted ? stay(openPrompt(closed, wanted.asks)) : change(closed, wanted);
    }
    case 'leave':
      if (typed !== 'leave') return wrong('Type exactly: leave');
      return stay(tell(closed, 'Stopping at a safe point …', 'caution'), {
        type: 'leave',
        status: 'interrupted',
      });
  }
}
