import type { CommandContext } from '../../cli/context.js';
import type { ManagedContext } from '../../cli/create-context.js';
import { errorMessage, isOperatorError, refused } from '../../system/errors.js';
import { redact } from '../../system/redact.js';
import type { Effect, IncidentChange, Message } from '../state/model.js';

/** Changes incidents through the same functions as the commands, one after the other. */
export class IncidentDriver {
  readonly #post: (message: Message) => void;
  readonly #open: () => ManagedContext;
  #last: Promise<void> = Promise.resolve();

  constructor(post: (message: Message) => void, open: () => ManagedContext) {
    this.#post = post;
    this.#open = open;
  }

  /** Settles when everything that was asked for is written. */
  get ended(): Promise<void> {
    return this.#last;
  }

  begin(order: Extract<Effect, { type: 'incident' }>): void {
    this.#last = this.#last.then(() => this.#perform(order));
  }

  async #perform({ change, readOnly }: Extract<Effect, { type: 'incident' }>): Promise<void> {
    const managed = this.#open();
    try {
      if (readOnly) throw refused('READ_ONLY', 'Read-only: the incident was not changed.');
      const text = await perform(managed.context, change);
      this.#post({ type: 'incident.changed', text: redact(text), tone: 'good' });
    } catch (error) {
      const hint = isOperatorError(error) && error.hint !== undefined ? ` ${error.hint}` : '';
      const text = redact(errorMessage(error) + hint);
      this.#post({ type: 'incident.changed', text, tone: 'bad' });
    } finally {
      await managed.cleanUp();
      managed.release();
    }
  }
}

/** Gives what was done, in words. */
async function perform(context: CommandContext, change: IncidentChange): Promise<string> {
  switch (change.to) {
    case 'acknowledge': {
      const { actOn } = await import('../../cli/incident-command.js');
      await actOn(context, String(change.id), { type: 'acknowledge' });
      return `Incident #${change.id} is acknowledged.`;
    }
    case 'incident-note': {
      const { actOn } = await import('../../cli/incident-command.js');
      await actOn(context, String(change.id), { type: 'note', text: change.text });
      return `Noted with incident #${change.id}.`;
    }
    case 'resolve': {
      const { actOn } = await import('../../cli/incident-command.js');
      const { id, rootCause } = change;
      await actOn(context, String(id), {
        type: 'resolve',
        ...(rootCause === undefined ? {} : { rootCause }),
      });
      return `Incident #${id} is resolved.`;
    }
    case 'close': {
      const [{ actOn }, { checklistItems }] = await Promise.all([
        import('../../cli/incident-command.js'),
        import('../../incidents/events.js'),
      ]);
      await actOn(context, String(change.id), { type: 'close', checklist: checklistItems });
      return `Incident #${change.id} is closed.`;
    }
    case 'escalate': {
      const { escalateOne } = await import('../../cli/incident-escalate.js');
      await escalateOne(context, String(change.id));
      return `The next of the chain is called for incident #${change.id}.`;
    }
    case 'post-mortem': {
      const { writePostMortem } = await import('../../cli/incident-papers.js');
      const { file } = await writePostMortem(context, String(change.id), change.file);
      return `Post-mortem of incident #${change.id}: ${file ?? change.file}`;
    }
    case 'open': {
      const { openForRun } = await import('../../cli/incident-of-run.js');
      const opened = await openForRun(context, change, change.run);
      return opened === undefined
        ? 'The incident waits on this machine until the database can be reached.'
        : `Incident #${opened.incidentId} has it: I lists it.`;
    }
    case 'add': {
      const { addToIncident } = await import('../../cli/incident-of-run.js');
      await addToIncident(context, change.id, change.text, change.run);
      return `Added to incident #${change.id}.`;
    }
  }
}
