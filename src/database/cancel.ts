import { connect as connectTcp, type Socket } from 'node:net';
import { connect as connectTls } from 'node:tls';
import type { Client } from 'pg';
import { driverOf, tlsOptions } from './connect.js';
import type { DatabaseTarget } from './target.js';
import { parseDatabaseUrl } from './url.js';

const sslRequest = Buffer.from([0, 0, 0, 8, 0x04, 0xd2, 0x16, 0x2f]);

/**
 * Asks the server to cancel what a connection is doing, by PostgreSQL's cancel request: it needs no
 * login, no free connection slot, and passes through poolers. False when the server did not take it
 * within the time (milliseconds).
 */
export async function requestCancel(
  client: Client,
  target: DatabaseTarget,
  milliseconds: number,
): Promise<boolean> {
  const { processID, secretKey } = driverOf(client);
  if (processID === null || secretKey === null) return false;
  const address = parseDatabaseUrl(target.url);
  const tls = await tlsOptions(address);
  const message = Buffer.alloc(16);
  message.writeInt32BE(16, 0);
  message.writeInt32BE(80_877_102, 4);
  message.writeInt32BE(processID, 8);
  message.writeInt32BE(secretKey, 12);
  return new Promise((resolve) => {
    const { host, port } = address;
    const socket = host.startsWith('/')
      ? connectTcp({ path: `${host}/.s.PGSQL.${port}` })
      : connectTcp({ host, port });
    const sockets: Socket[] = [socket];
    const finish = (taken: boolean) => {
      clearTimeout(timer);
      for (const open of sockets) open.destroy();
      resolve(taken);
    };
    const timer = setTimeout(finish, milliseconds, false);
    // The server closes the connection once the signal is on its way.
    const send = (on: Socket) => {
      on.on('close', () => finish(true));
      on.on('end', () => finish(true));
      on.write(message);
    };
    socket.on('error', () => finish(false));
    socket.once('connect', () => {
      if (tls === undefined) return send(socket);
      const secure = () => {
        const name = host.startsWith('/') || /^[\d.]+$|:/.test(host) ? {} : { servername: host };
        const encrypted = connectTls({ ...tls, ...name, socket, host });
        sockets.push(encrypted);
        encrypted.on('error', () => finish(false));
        encrypted.once('secureConnect', () => send(encrypted));
      };
      if (address.directTls) return secure();
      socket.once('data', (answer) => (answer[0] === 0x53 ? secure() : finish(false)));
      socket.write(sslRequest);
    });
  });
}
