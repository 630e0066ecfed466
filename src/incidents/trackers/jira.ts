import type { TrackerSettings } from '../../config/incidents-schema.js';
import { required } from '../channels/chat.js';
import { type Request, request, requestJson, SendFailure } from '../channels/http.js';
import { manyLines, oneLine, type SecretLookup } from '../channels/sender.js';
import { stateName, type Tracker } from './tracker.js';

type JiraSettings = Extract<TrackerSettings, { kind: 'jira' }>;

/** Atlassian's document format: text is text, whatever is written in it. */
interface Node {
  type: string;
  text?: string;
  content?: Node[];
}

const document = (text: string) => ({
  type: 'doc',
  version: 1,
  content: manyLines(text)
    .split('\n')
    .map(
      (line): Node => ({
        type: 'paragraph',
        content: line === '' ? [] : [{ type: 'text', text: line }],
      }),
    ),
});

const plainText = (node: Node): string =>
  node.type === 'hardBreak'
    ? '\n'
    : (node.text ?? '') + (node.content ?? []).map(plainText).join(node.type === 'doc' ? '\n' : '');

interface Issue {
  id: string;
  key: string;
  fields: { status: { name: string; statusCategory: { key: string } } };
}

interface Comments {
  comments: { id: string; author?: { displayName?: string }; body: Node }[];
  total: number;
}

const pageSize = 100;

/** Jira Cloud, REST API 3. */
export function jiraTracker(settings: JiraSettings, secret: SecretLookup): Tracker {
  const base = `${settings.url.replace(/\/$/, '')}/rest/api/3`;
  const options = (path: string, rest: Omit<Request, 'url' | 'headers'>): Request => {
    const token = required(secret, settings.tokenVariable);
    const credentials = Buffer.from(`${settings.user}:${token}`).toString('base64');
    return { url: `${base}${path}`, headers: { authorization: `Basic ${credentials}` }, ...rest };
  };
  const issuePath = (id: string, rest = '') => `/issue/${encodeURIComponent(id)}${rest}`;
  const label = (uid: string) => `reviewops-${uid}`;
  const remote = ({ key }: { key: string }) => ({
    id: key,
    url: `${settings.url.replace(/\/$/, '')}/browse/${key}`,
  });
  const priority = (level: keyof JiraSettings['priorities'] | null) => {
    const name = level === null ? undefined : settings.priorities[level];
    return name === undefined ? {} : { priority: { name } };
  };
  return {
    name: settings.name,
    find: async (uid, signal) => {
      const jql = `project = "${settings.project}" AND labels = "${label(uid)}"`;
      const body = { jql, fields: ['status'], maxResults: 1 };
      const found = await requestJson<{ issues: Issue[] }>(
        options('/search/jql', { body, signal }),
      );
      const [issue] = found.issues;
      return issue && remote(issue);
    },
    create: async (update, signal) => {
      const fields = {
        project: { key: settings.project },
        issuetype: { name: settings.issueType },
        summary: oneLine(update.summary, 250),
        description: document(update.description),
        labels: ['reviewops', label(update.uid)],
        ...priority(update.level),
      };
      return remote(
        await requestJson<{ key: string }>(options('/issue', { body: { fields }, signal })),
      );
    },
    update: async (id, update, signal) => {
      const fields = { summary: oneLine(update.summary, 250), ...priority(update.level) };
      await request(options(issuePath(id), { method: 'PUT', body: { fields }, signal }));
      const wanted = stateName(update.status, settings.states);
      if (wanted === undefined) return;
      const { fields: present } = await requestJson<Issue>(
        options(issuePath(id, '?fields=status'), { method: 'GET', signal }),
      );
      if (present.status.name === wanted) return;
      const { transitions } = await requestJson<{
        transitions: { id: string; to: { name: string } }[];
      }>(options(issuePath(id, '/transitions'), { method: 'GET', signal }));
      const transition = transitions.find(({ to }) => to.name === wanted);
      if (transition === undefined) {
        throw new SendFailure(
          `no transition leads from "${present.status.name}" to "${wanted}"; correct states of ${settings.name}`,
          true,
        );
      }
      const body = { transition: { id: transition.id } };
      await request(options(issuePath(id, '/transitions'), { body, signal }));
    },
    comment: async (id, text, marker, signal) => {
      const body = { body: document(`${text}\n${marker}`) };
      await request(options(issuePath(id, '/comment'), { body, signal }));
    },
    pull: async (id, signal) => {
      const issue = await requestJson<Issue>(
        options(issuePath(id, '?fields=status'), { method: 'GET', signal }),
      );
      const comments: Comments['comments'] = [];
      for (let total = 1; comments.length < total; ) {
        const query = `/comment?startAt=${comments.length}&maxResults=${pageSize}`;
        const page = await requestJson<Comments>(
          options(issuePath(id, query), { method: 'GET', signal }),
        );
        comments.push(...page.comments);
        total = page.comments.length === 0 ? comments.length : page.total;
      }
      return {
        done: issue.fields.status.statusCategory.key === 'done',
        comments: comments.map(({ id: commentId, author, body }) => ({
          id: commentId,
          by: author?.displayName ?? 'somebody',
          text: plainText(body),
        })),
      };
    },
  };
}
