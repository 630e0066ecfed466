import { randomBytes } from 'node:crypto';
import http from 'node:http';
import { text } from 'node:stream/consumers';
import sodium from 'libsodium-wrappers';

/** What stands in for GitHub's API: it holds the private key, and so reads what it is sent. */
export interface GithubStandIn {
  api: string;
  token: string;
  /** Secrets as workflows would get them. */
  secrets: Map<string, string>;
  /** Bodies as they travelled. */
  bodies: string[];
  /** Requests to write that are refused. */
  refuse: number;
  stop(): Promise<void>;
}

export async function startGithub(repository: string): Promise<GithubStandIn> {
  await sodium.ready;
  const pair = sodium.crypto_box_keypair();
  const keyId = randomBytes(8).toString('hex');
  const base64 = (bytes: Uint8Array) => sodium.to_base64(bytes, sodium.base64_variants.ORIGINAL);
  const standIn: GithubStandIn = {
    api: '',
    token: `ghp_${randomBytes(12).toString('hex')}`,
    secrets: new Map(),
    bodies: [],
    refuse: 0,
    stop: async () => {
      server.closeAllConnections();
      await new Promise((done) => server.close(done));
    },
  };
  const root = `/repos/${repository}/actions/secrets`;
  const handle = async (request: http.IncomingMessage): Promise<[number, unknown?]> => {
    const { method, url = '', headers } = request;
    if (headers.authorization !== `Bearer ${standIn.token}`) return [401];
    if (headers['x-github-api-version'] === undefined) return [400];
    if (!url.startsWith(`${root}/`)) return [404];
    const name = url.slice(root.length + 1);
    if (method === 'GET' && name === 'public-key') {
      return [200, { key_id: keyId, key: base64(pair.publicKey) }];
    }
    if (method === 'GET') return standIn.secrets.has(name) ? [200, { name }] : [404];
    if (method === 'DELETE') return [standIn.secrets.delete(name) ? 204 : 404];
    if (method !== 'PUT' || !/^[A-Z_][A-Z0-9_]*$/i.test(name)) return [404];
    const body = await text(request);
    standIn.bodies.push(body);
    if (standIn.refuse > 0) {
      standIn.refuse -= 1;
      return [403, { message: 'Resource not accessible by personal access token' }];
    }
    const { encrypted_value, key_id } = JSON.parse(body) as Record<string, string>;
    if (key_id !== keyId || encrypted_value === undefined) return [422];
    const sealed = sodium.from_base64(encrypted_value, sodium.base64_variants.ORIGINAL);
    const opened = sodium.crypto_box_seal_open(sealed, pair.publicKey, pair.privateKey);
    standIn.secrets.set(name, sodium.to_string(opened));
    return [201];
  };
  const server = http.createServer((request, response) => {
    handle(request).then(
      ([status, body]) => {
        response.writeHead(status, { 'content-type': 'application/json' });
        response.end(body === undefined ? undefined : JSON.stringify(body));
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
