import type { TrackerSettings } from '../../config/incidents-schema.js';
import { required } from '../channels/chat.js';
import { requestJson, SendFailure } from '../channels/http.js';
import { manyLines, oneLine, type SecretLookup } from '../channels/sender.js';
import { markdownEscape } from '../escape.js';
import type { TicketUpdate } from '../messages.js';
import { stateName, type Tracker, uuidOf } from './tracker.js';

type LinearSettings = Extract<TrackerSettings, { kind: 'linear' }>;

interface Answer<T> {
  data?: T;
  errors?: { message: string; extensions?: { code?: string; type?: string } }[];
}

interface Issue {
  id: string;
  url: string;
  state: { id: string; type: string };
}

interface CommentPage {
  nodes: { id: string; body: string; user: { name: string } | null }[];
  pageInfo: { hasNextPage: boolean; endCursor: string | null };
}

const markdown = (text: string): string =>
  manyLines(text).split('\n').map(markdownEscape).join('\n\n');

/** Linear's GraphQL API. Tickets and comments get ids from us: made twice, they are one. */
export function linearTracker(settings: LinearSettings, secret: SecretLookup): Tracker {
  async function ask<T>(query: string, variables: object, signal: AbortSignal): Promise<T> {
    const answer = await requestJson<Answer<T>>({
      url: settings.url,
      headers: { authorization: required(secret, settings.tokenVariable) },
      body: { query, variables },
      signal,
    });
    const [error] = answer.errors ?? [];
    if (error !== undefined) {
      const again = /ratelimit|internal/i.test(
        `${error.extensions?.code ?? ''} ${error.extensions?.type ?? ''}`,
      );
      throw new SendFailure(oneLine(error.message, 200), !again);
    }
    if (answer.data === undefined) throw new SendFailure('answered without data', false);
    return answer.data;
  }
  async function read(id: string, signal: AbortSignal): Promise<Issue | undefined> {
    // A list, so that a ticket that is not there is no error.
    const query = `query Find($id: ID!) {
      issues(filter: { id: { eq: $id } }, includeArchived: true) {
        nodes { id url state { id type } }
      }
    }`;
    const { issues } = await ask<{ issues: { nodes: Issue[] } }>(query, { id }, signal);
    return issues.nodes[0];
  }
  async function stateId(status: TicketUpdate['status'], signal: AbortSignal) {
    const wanted = stateName(status, settings.states);
    if (wanted === undefined) return undefined;
    const query = 'query States($id: String!) { team(id: $id) { states { nodes { id name } } } }';
    const { team } = await ask<{ team: { states: { nodes: { id: string; name: string }[] } } }>(
      query,
      { id: settings.team },
      signal,
    );
    const found = team.states.nodes.find(({ name }) => name === wanted);
    if (found === undefined) {
      throw new SendFailure(
        `the team has no state "${wanted}"; correct states of ${settings.name}`,
        true,
      );
    }
    return found.id;
  }
  const fieldsOf = async (update: TicketUpdate, signal: AbortSignal) => {
    const state = await stateId(update.status, signal);
    const priority = update.level === null ? undefined : settings.priorities[update.level];
    return {
      title: oneLine(update.summary, 250),
      ...(priority === undefined ? {} : { priority }),
      ...(state === undefined ? {} : { stateId: state }),
    };
  };
  const remote = ({ id, url }: Issue) => ({ id, url });
  return {
    name: settings.name,
    find: async (uid, signal) => {
      const issue = await read(uuidOf(uid), signal);
      return issue && remote(issue);
    },
    create: async (update, signal) => {
      const query = `mutation Create($input: IssueCreateInput!) {
        issueCreate(input: $input) { success issue { id url state { id type } } }
      }`;
      const input = {
        id: uuidOf(update.uid),
        teamId: settings.team,
        description: markdown(update.description),
        ...(await fieldsOf(update, signal)),
      };
      const { issueCreate } = await ask<{ issueCreate: { issue: Issue } }>(
        query,
        { input },
        signal,
      );
      return remote(issueCreate.issue);
    },
    update: async (id, update, signal) => {
      const query = `mutation Update($id: String!, $input: IssueUpdateInput!) {
        issueUpdate(id: $id, input: $input) { success }
      }`;
      await ask(query, { id, input: await fieldsOf(update, signal) }, signal);
    },
    comment: async (id, text, marker, signal) => {
      const query = `mutation Comment($input: CommentCreateInput!) {
        commentCreate(input: $input) { success }
      }`;
      const input = {
        id: uuidOf(`${id} ${marker}`),
        issueId: id,
        // The marker stays readable for us: it is code, in which nothing is markup.
        body: `${markdown(text)}\n\n${marker}`,
      };
      await ask(query, { input }, signal);
    },
    pull: async (id, signal) => {
      const query = `query Comments($id: String!, $after: String) {
        issue(id: $id) {
          state { id type }
          comments(first: 100, after: $after) {
            nodes { id body user { name } } pageInfo { hasNextPage endCursor }
          }
        }
      }`;
      const nodes: CommentPage['nodes'] = [];
      let type = '';
      for (let after: string | null = null, more = true; more; ) {
        const { issue }: { issue: { state: { type: string }; comments: CommentPage } } = await ask(
          query,
          { id, after },
          signal,
        );
        type = issue.state.type;
        nodes.push(...issue.comments.nodes);
        after = issue.comments.pageInfo.endCursor;
        more = issue.comments.pageInfo.hasNextPage && after !== null;
      }
      return {
        done: type === 'completed' || type === 'canceled',
        comments: nodes.map(({ id: commentId, body, user }) => ({
          id: commentId,
          by: user?.name ?? 'somebody',
          text: body,
        })),
      };
    },
  };
}
