import type { TrackerSettings } from '../../config/incidents-schema.js';
import { required } from '../channels/chat.js';
import { type Request, request, requestJson } from '../channels/http.js';
import { manyLines, oneLine, type SecretLookup } from '../channels/sender.js';
import type { TicketUpdate } from '../messages.js';
import { stateName, type Tracker } from './tracker.js';

type NotionSettings = Extract<TrackerSettings, { kind: 'notion' }>;

interface Page {
  id: string;
  url: string;
  in_trash?: boolean;
  archived?: boolean;
  properties: Record<string, { status?: { name: string } | null }>;
}

interface CommentPage {
  results: {
    id: string;
    created_by?: { name?: string; id: string };
    rich_text: { plain_text: string }[];
  }[];
  has_more: boolean;
  next_cursor: string | null;
}

/** Longer pieces of text are refused. */
const longestText = 2_000;

/** Rich text is a list of plain pieces: nothing in them is markup. */
const richText = (text: string) =>
  (manyLines(text).match(/[\s\S]{1,1900}/g) ?? [''])
    .slice(0, 50)
    .map((content) => ({ type: 'text', text: { content: content.slice(0, longestText) } }));

/** Notion's API: an incident is a page of a database. */
export function notionTracker(settings: NotionSettings, secret: SecretLookup): Tracker {
  const options = (path: string, rest: Omit<Request, 'url' | 'headers'>): Request => ({
    url: `${settings.url.replace(/\/$/, '')}/v1${path}`,
    headers: {
      authorization: `Bearer ${required(secret, settings.tokenVariable)}`,
      'notion-version': '2022-06-28',
    },
    ...rest,
  });
  const propertiesOf = ({ summary, level, status }: TicketUpdate) => {
    const { titleProperty, severityProperty, statusProperty, priorities, states } = settings;
    const severity = level === null ? undefined : priorities[level];
    const state = stateName(status, states);
    return {
      [titleProperty]: { title: richText(oneLine(summary, 250)) },
      ...(severity === undefined ? {} : { [severityProperty]: { select: { name: severity } } }),
      ...(state === undefined ? {} : { [statusProperty]: { status: { name: state } } }),
    };
  };
  const pagePath = (id: string) => `/pages/${encodeURIComponent(id)}`;
  const remote = ({ id, url }: Page) => ({ id, url });
  return {
    name: settings.name,
    find: async (uid, signal) => {
      const filter = { property: settings.keyProperty, rich_text: { equals: uid } };
      const { results } = await requestJson<{ results: Page[] }>(
        options(`/databases/${settings.database}/query`, {
          body: { filter, page_size: 1 },
          signal,
        }),
      );
      const [page] = results;
      return page && remote(page);
    },
    create: async (update, signal) => {
      const body = {
        parent: { database_id: settings.database },
        properties: {
          ...propertiesOf(update),
          [settings.keyProperty]: { rich_text: richText(update.uid) },
        },
        children: [
          {
            object: 'block',
            type: 'paragraph',
            paragraph: { rich_text: richText(update.description) },
          },
        ],
      };
      return remote(await requestJson<Page>(options('/pages', { body, signal })));
    },
    update: async (id, update, signal) => {
      const body = { properties: propertiesOf(update) };
      await request(options(pagePath(id), { method: 'PATCH', body, signal }));
    },
    comment: async (id, text, marker, signal) => {
      const body = { parent: { page_id: id }, rich_text: richText(`${text}\n${marker}`) };
      await request(options('/comments', { body, signal }));
    },
    pull: async (id, signal) => {
      const page = await requestJson<Page>(options(pagePath(id), { method: 'GET', signal }));
      const comments: CommentPage['results'] = [];
      for (let cursor: string | null = '', more = true; more; ) {
        const from: string = cursor === '' || cursor === null ? '' : `&start_cursor=${cursor}`;
        const path = `/comments?block_id=${encodeURIComponent(id)}&page_size=100${from}`;
        const list: CommentPage = await requestJson(options(path, { method: 'GET', signal }));
        comments.push(...list.results);
        cursor = list.next_cursor;
        more = list.has_more && cursor !== null;
      }
      const state = page.properties[settings.statusProperty]?.status?.name;
      return {
        done: page.in_trash === true || page.archived === true || state === settings.states.closed,
        comments: comments.map(({ id: commentId, created_by: author, rich_text: text }) => ({
          id: commentId,
          by: author?.name ?? 'somebody',
          text: text.map(({ plain_text: piece }) => piece).join(''),
        })),
      };
    },
  };
}
