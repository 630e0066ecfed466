import { startFauxqs } from 'fauxqs';
import type { S3Server } from './s3-probe.js';

export interface RunningServer extends S3Server {
  stop(): Promise<void>;
}

/** The S3 server of the default suite: in this process, in memory, on a port of its own. */
export async function startS3(): Promise<RunningServer> {
  const server = await startFauxqs({ port: 0, logger: false, defaultRegion: 'eu-west-3' });
  return {
    name: 'fauxqs',
    endpoint: `http://127.0.0.1:${server.port}`,
    region: 'eu-west-3',
    credentials: { accessKeyId: 'AKIATESTTESTTEST0001', secretAccessKey: 'secret-of-the-tests' },
    stop: () => server.stop(),
  };
}
