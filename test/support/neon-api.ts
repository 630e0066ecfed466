import { randomBytes } from 'node:crypto';
import http from 'node:http';
import type { DatabaseClient } from '../../src/database/client.js';

/** What stands in for Neon's API: authentication, paths and answers as documented. */
export interface NeonStandIn {
  api: string;
  key: string;
  project: string;
  branch: string;
  requests: string[];
  /** Resets whose answer is lost on the way, though they were carried out. */
  loseAnswers: number;
  /** Lets each request through, before it is carried out and before it is answered. */
  pass(moment: 'before' | 'after'): Promise<void>;
  stop(): Promise<void>;
}

/** Resets passwords in a real server. `known`: the passwords that it would reveal already. */
export async function startNeon(
  admin: DatabaseClient,
  roles: readonly string[],
  known: Readonly<Record<string, string>> = {},
): Promise<NeonStandIn> {
  const key = `neon-${randomBytes(8).toString('hex')}`;
  const passwords = new Map(Object.entries(known));
  const polls = new Map<string, number>();
  const standIn: NeonStandIn = {
    api: '',
    key,
    project: 'cool-project-1',
    branch: 'br-main-1',
    requests: [],
    loseAnswers: 0,
    pass: async () => undefined,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  const answer = async (method: string, path: string): Promise<[number, unknown]> => {
    const root = `/projects/${standIn.project}`;
    if (!path.startsWith(root)) return [404, { code: '', message: 'project not found' }];
    const rest = path.slice(root.length);
    if (method === 'GET' && rest === '/branches') {
      return [
        200,
        {
          branches: [
            { id: standIn.branch, name: 'main' },
            { id: 'br-child-2', name: 'preview', parent_id: standIn.branch },
          ],
        },
      ];
    }
    const [, operation] = /^\/operations\/([\w-]+)$/.exec(rest) ?? [];
    if (operation !== undefined) {
      const seen = (polls.get(operation) ?? 0) + 1;
      polls.set(operation, seen);
      return [200, { operation: { id: operation, status: seen > 1 ? 'finished' : 'running' } }];
    }
    const ofBranch = `/branches/${standIn.branch}/roles`;
    if (method === 'GET' && rest === ofBranch) {
      return [200, { roles: roles.map((name) => ({ branch_id: standIn.branch, name })) }];
    }
    const [, name = '', action] =
      new RegExp(`^${ofBranch}/([^/]+)/(reset_password|reveal_password)$`).exec(rest) ?? [];
    if (!roles.includes(name)) return [404, { code: '', message: 'role not found' }];
    if (method === 'GET' && action === 'reveal_password') {
      return [200, { password: passwords.get(name) ?? '' }];
    }
    if (method !== 'POST' || action !== 'reset_password') return [405, {}];
    const password = `npg_${randomBytes(12).toString('hex')}`;
    await admin.execute(`ALTER ROLE "${name}" PASSWORD '${password}'`);
    passwords.set(name, password);
    return [
      200,
      {
        role: { branch_id: standIn.branch, name, password, protected: false },
        operations: [{ id: 'op-1', status: 'running' }],
      },
    ];
  };
  const passed = async (method: string, path: string): Promise<[number, unknown]> => {
    await standIn.pass('before');
    standIn.requests.push(`${method} ${path}`);
    const given = await answer(method, path);
    await standIn.pass('after');
    return given;
  };
  const server = http.createServer((request, response) => {
    const { method = '', url = '', headers } = request;
    if (headers.authorization !== `Bearer ${key}`) {
      response.writeHead(401).end();
      return;
    }
    passed(method, url).then(
      ([status, body]) => {
        if (method === 'POST' && standIn.loseAnswers > 0) {
          standIn.loseAnswers -= 1;
          request.socket.destroy();
          return;
        }
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(JSON.stringify(body));
      },
      () => request.socket.destroy(),
    );
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  standIn.api = `http://127.0.0.1:${address.port}`;
  return standIn;
}
