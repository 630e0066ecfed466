import { z } from 'zod';
import { type HttpPeer, httpPeer } from './incident-peers.js';

/** Jira, Linear and Notion on loopback: their forms, their credentials, what they keep. */

export interface Ticket {
  id: string;
  uid: string;
  title: string;
  state: string;
  priority: string;
  comments: { id: string; by: string; text: string }[];
}

export interface TrackerPeer extends HttpPeer {
  tickets: Ticket[];
}

const bad = (status: number, why: string) => ({ status, body: { message: why }, refused: why });

const wrong = (schema: z.ZodType, body: unknown): string | undefined => {
  const result = schema.safeParse(body);
  return result.success ? undefined : z.prettifyError(result.error);
};

const textNode = z.strictObject({ type: z.literal('text'), text: z.string().min(1) });
const adf = z.strictObject({
  type: z.literal('doc'),
  version: z.literal(1),
  content: z.array(z.strictObject({ type: z.literal('paragraph'), content: z.array(textNode) })),
});

const jiraIssue = z.strictObject({
  fields: z.strictObject({
    project: z.strictObject({ key: z.literal('OPS') }),
    issuetype: z.strictObject({ name: z.string() }),
    summary: z
      .string()
      .min(1)
      .max(255)
      .regex(/^[^\n]*$/),
    description: adf,
    labels: z.array(z.string().regex(/^\S+$/)),
    priority: z.strictObject({ name: z.string() }).optional(),
  }),
});

const states: Record<string, string> = {
  'To Do': 'new',
  'In Progress': 'indeterminate',
  Done: 'done',
};

export async function jiraPeer(): Promise<TrackerPeer> {
  const tickets: Ticket[] = [];
  const authorization = `Basic ${Buffer.from('ops@example.com:jira-token').toString('base64')}`;
  const peer = await httpPeer(({ method, path, headers, body }) => {
    if (headers.authorization !== authorization) return bad(401, 'credentials');
    if (method === 'POST' && path === '/rest/api/3/search/jql') {
      const label = /labels = "reviewops-([^"]+)"/.exec((body as { jql: string }).jql)?.[1];
      const issues = tickets.filter(({ uid }) => uid === label).map(({ id }) => ({ key: id }));
      return { status: 200, body: { issues } };
    }
    if (method === 'POST' && path === '/rest/api/3/issue') {
      const problem = wrong(jiraIssue, body);
      if (problem !== undefined) return bad(400, problem);
      const { fields } = body as z.infer<typeof jiraIssue>;
      const id = `OPS-${tickets.length + 1}`;
      tickets.push({
        id,
        uid: fields.labels[1]?.slice('reviewops-'.length) ?? '',
        title: fields.summary,
        state: 'To Do',
        priority: fields.priority?.name ?? '',
        comments: [],
      });
      return { status: 201, body: { id: '1', key: id } };
    }
    const [, id, rest = ''] = /^\/rest\/api\/3\/issue\/([^/?]+)\/?([a-z]*)/.exec(path) ?? [];
    const ticket = tickets.find((one) => one.id === id);
    if (ticket === undefined) return bad(404, 'issue');
    if (rest === 'comment' && method === 'GET') {
      const comments = ticket.comments.map((one) => ({
        id: one.id,
        author: { displayName: one.by },
        body: {
          type: 'doc',
          content: one.text
            .split('\n')
            .map((text) => ({ type: 'paragraph', content: [{ type: 'text', text }] })),
        },
      }));
      return { status: 200, body: { comments, total: comments.length } };
    }
    if (rest === 'comment') {
      const problem = wrong(z.strictObject({ body: adf }), body);
      if (problem !== undefined) return bad(400, problem);
      const { content } = (body as { body: z.infer<typeof adf> }).body;
      const text = content.map((node) => node.content[0]?.text ?? '').join('\n');
      ticket.comments.push({ id: `c${ticket.comments.length}`, by: 'reviewops', text });
      return { status: 201, body: {} };
    }
    if (rest === 'transitions' && method === 'GET') {
      const transitions = Object.keys(states).map((name) => ({ id: name, to: { name } }));
      return { status: 200, body: { transitions } };
    }
    if (rest === 'transitions') {
      ticket.state = (body as { transition: { id: string } }).transition.id;
      return { status: 204 };
    }
    if (method === 'PUT') {
      const { fields } = body as { fields: { summary: string; priority?: { name: string } } };
      ticket.title = fields.summary;
      ticket.priority = fields.priority?.name ?? ticket.priority;
      return { status: 204 };
    }
    const status = { name: ticket.state, statusCategory: { key: states[ticket.state] } };
    return { status: 200, body: { id: '1', key: id, fields: { status } } };
  });
  return Object.assign(peer, { tickets });
}

const linearStates = [
  { id: 's1', name: 'Todo', type: 'unstarted' },
  { id: 's2', name: 'In Progress', type: 'started' },
  { id: 's3', name: 'Done', type: 'completed' },
];

export const linearTeam = '11111111-1111-4111-8111-111111111111';

export async function linearPeer(): Promise<TrackerPeer> {
  const tickets: Ticket[] = [];
  const stateOf = (name: string) => linearStates.find((state) => state.name === name);
  const failing = (message: string) => ({
    status: 200,
    body: { errors: [{ message, extensions: { code: 'INVALID_INPUT' } }] },
    refused: message,
  });
  const show = (ticket: Ticket) => ({
    id: ticket.id,
    url: `https://linear.app/x/${ticket.id}`,
    state: stateOf(ticket.state),
  });
  const fields = {
    title: z.string().min(1).max(255),
    priority: z.int().min(0).max(4).optional(),
    stateId: z.enum(['s1', 's2', 's3']).optional(),
  };
  const change = (
    ticket: Ticket,
    input: { title: string; priority?: number; stateId?: string },
  ) => {
    ticket.title = input.title;
    ticket.priority = String(input.priority ?? ticket.priority);
    ticket.state = linearStates.find(({ id }) => id === input.stateId)?.name ?? ticket.state;
  };
  const peer = await httpPeer(({ headers, body }) => {
    if (headers.authorization !== 'linear-token') return bad(401, 'credentials');
    const { query, variables } = body as {
      query: string;
      variables: { id?: string; input?: unknown };
    };
    const data = (value: object) => ({ status: 200, body: { data: value } });
    if (query.startsWith('query States'))
      return data({ team: { states: { nodes: linearStates } } });
    if (query.startsWith('query Find')) {
      const nodes = tickets.filter(({ id }) => id === variables.id).map(show);
      return data({ issues: { nodes } });
    }
    if (query.startsWith('mutation Create')) {
      const schema = z.strictObject({
        id: z.uuid(),
        teamId: z.literal(linearTeam),
        description: z.string(),
        ...fields,
      });
      const problem = wrong(schema, variables.input);
      if (problem !== undefined) return failing(problem);
      const input = variables.input as z.infer<typeof schema>;
      if (tickets.some(({ id }) => id === input.id)) return failing('id is taken');
      const ticket: Ticket = {
        id: input.id,
        uid: input.id,
        title: '',
        state: 'Todo',
        priority: '',
        comments: [],
      };
      change(ticket, {
        title: input.title,
        ...(input.priority === undefined ? {} : { priority: input.priority }),
      });
      tickets.push(ticket);
      return data({ issueCreate: { success: true, issue: show(ticket) } });
    }
    const id = variables.id ?? (variables.input as { issueId: string }).issueId;
    const ticket = tickets.find((one) => one.id === id);
    if (ticket === undefined) return failing('no such issue');
    if (query.startsWith('mutation Update')) {
      const problem = wrong(z.strictObject(fields), variables.input);
      if (problem !== undefined) return failing(problem);
      change(ticket, variables.input as Parameters<typeof change>[1]);
      return data({ issueUpdate: { success: true } });
    }
    if (query.startsWith('mutation Comment')) {
      const input = variables.input as { id: string; body: string };
      if (ticket.comments.some((one) => one.id === input.id)) return failing('id is taken');
      ticket.comments.push({ id: input.id, by: 'reviewops', text: input.body });
      return data({ commentCreate: { success: true } });
    }
    const nodes = ticket.comments.map((one) => ({
      id: one.id,
      body: one.text,
      user: { name: one.by },
    }));
    const pageInfo = { hasNextPage: false, endCursor: null };
    return data({ issue: { ...show(ticket), comments: { nodes, pageInfo } } });
  });
  return Object.assign(peer, { tickets });
}

export const notionDatabase = '22222222222242228222222222222222';

const rich = z
  .array(
    z.strictObject({
      type: z.literal('text'),
      text: z.strictObject({ content: z.string().max(2000) }),
    }),
  )
  .max(100);
const properties = {
  Name: z.strictObject({ title: rich }),
  Severity: z.strictObject({ select: z.strictObject({ name: z.string() }) }).optional(),
  Status: z
    .strictObject({
      status: z.strictObject({ name: z.enum(['Not started', 'In progress', 'Done']) }),
    })
    .optional(),
};

type Properties = z.infer<z.ZodObject<typeof properties>>;

const plain = (pieces: z.infer<typeof rich>) => pieces.map(({ text }) => text.content).join('');

export async function notionPeer(): Promise<TrackerPeer> {
  const tickets: Ticket[] = [];
  const show = (ticket: Ticket) => ({
    id: ticket.id,
    url: `https://www.notion.so/${ticket.id}`,
    properties: { Status: { status: { name: ticket.state } } },
  });
  const change = (ticket: Ticket, given: Properties) => {
    ticket.title = plain(given.Name.title);
    ticket.priority = given.Severity?.select.name ?? ticket.priority;
    ticket.state = given.Status?.status.name ?? ticket.state;
  };
  const peer = await httpPeer(({ method, path, headers, body }) => {
    if (headers.authorization !== 'Bearer notion-token') return bad(401, 'credentials');
    if (headers['notion-version'] === undefined) return bad(400, 'missing version');
    if (path === `/v1/databases/${notionDatabase}/query`) {
      const { filter } = body as { filter: { rich_text: { equals: string } } };
      const results = tickets.filter(({ uid }) => uid === filter.rich_text.equals).map(show);
      return { status: 200, body: { results } };
    }
    if (method === 'POST' && path === '/v1/pages') {
      const schema = z.strictObject({
        parent: z.strictObject({ database_id: z.literal(notionDatabase) }),
        properties: z.strictObject({
          ...properties,
          Incident: z.strictObject({ rich_text: rich }),
        }),
        children: z.array(z.unknown()),
      });
      const problem = wrong(schema, body);
      if (problem !== undefined) return bad(400, problem);
      const given = (body as z.infer<typeof schema>).properties;
      const ticket: Ticket = {
        id: `page-${tickets.length + 1}`,
        uid: plain(given.Incident.rich_text),
        title: '',
        state: '',
        priority: '',
        comments: [],
      };
      change(ticket, given as Properties);
      tickets.push(ticket);
      return { status: 200, body: show(ticket) };
    }
    if (path.startsWith('/v1/comments')) {
      const { parent, rich_text: text } = (body ?? {}) as {
        parent?: { page_id: string };
        rich_text?: z.infer<typeof rich>;
      };
      const id = parent?.page_id ?? /block_id=([^&]+)/.exec(path)?.[1];
      const ticket = tickets.find((one) => one.id === id);
      if (ticket === undefined) return bad(404, 'page');
      if (method === 'POST') {
        const problem = wrong(rich, text);
        if (problem !== undefined) return bad(400, problem);
        ticket.comments.push({
          id: `c${ticket.comments.length}`,
          by: 'reviewops',
          text: plain(text ?? []),
        });
        return { status: 200, body: {} };
      }
      const results = ticket.comments.map((one) => ({
        id: one.id,
        created_by: { id: 'u', name: one.by },
        rich_text: [{ plain_text: one.text }],
      }));
      return { status: 200, body: { results, has_more: false, next_cursor: null } };
    }
    const ticket = tickets.find((one) => path === `/v1/pages/${one.id}`);
    if (ticket === undefined) return bad(404, 'page');
    if (method === 'PATCH') {
      const problem = wrong(z.strictObject({ properties: z.strictObject(properties) }), body);
      if (problem !== undefined) return bad(400, problem);
      change(ticket, (body as { properties: Properties }).properties);
    }
    return { status: 200, body: show(ticket) };
  });
  return Object.assign(peer, { tickets });
}
