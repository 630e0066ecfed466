import { CreateBucketCommand, PutBucketVersioningCommand } from '@aws-sdk/client-s3';
import { afterAll, expect, it } from 'vitest';
import { readCertificate } from '../../src/privacy/certificate.js';
import { bothSides, killRelay, pictureOf } from '../privacy/kill-relay.js';
import { makePrivacyWorld } from '../privacy/support.js';
import { lakeOn, openS3Lake } from '../support/s3-lake.js';
import { clientOf, randomName } from '../support/s3-probe.js';
import { makeWorld } from '../support/world.js';
import { startMoto } from './moto.js';

const { stop, enforceAccess: _, log: _log, ...server } = await startMoto();
afterAll(stop);

const points = bothSides('privacy', [
  'object.planned',
  'object.writing',
  'object.written',
  'object.verified',
  'object.purging',
  'object.purged',
  'manifest.writing',
]);

it('must hold, on S3 with versions: killed at any transition of an object, exactly the versions of the person are gone', {
  timeout: 300_000,
}, async () => {
  const bucket = randomName();
  const client = clientOf(server);
  await client.send(
    new CreateBucketCommand({
      Bucket: bucket,
      CreateBucketConfiguration: { LocationConstraint: 'eu-west-3' },
    }),
  );
  await client.send(
    new PutBucketVersioningCommand({
      Bucket: bucket,
      VersioningConfiguration: { Status: 'Enabled' },
    }),
  );
  const { name, endpoint, region, credentials } = server;
  const address = {
    server: { name, endpoint, region, credentials },
    lake: lakeOn(server, { bucket, prefix: '' }),
  };
  const lake = await openS3Lake(address);
  const local = await makeWorld({ reviews: 12 });
  const another = async () => ({ ...(await local.another()), lake });
  const world = await makePrivacyWorld({ world: { ...local, lake, another } });
  try {
    await world.batch();
    const versions = async () => {
      const found: string[] = [];
      for await (const { key, versionId } of lake.versions?.list('') ?? []) {
        if (key.endsWith('.parquet')) found.push(`${key} ${versionId}`);
      }
      return found;
    };
    const before = await versions();
    await world.request('DSR-1', { customer: ['C1'] });
    const report = await killRelay(world, points, address);
    expect([report.state, report.reason]).toEqual(['succeeded', null]);
    const certificate = await readCertificate(lake, 'DSR-1');
    expect(certificate).toMatchObject({
      state: 'provisional',
      verification: { found: [], unread: [] },
      remaining: [],
    });
    const after = await versions();
    const rewritten = certificate.lake.objects.filter(({ action }) => action === 'rewrite');
    const touched = (version: string) => rewritten.some(({ key }) => version.startsWith(`${key} `));
    // Of a rewritten object no version of before is left; of all others, each.
    expect(after.filter((version) => touched(version) && before.includes(version))).toEqual([]);
    expect(after.filter((version) => !touched(version))).toEqual(
      before.filter((version) => !touched(version)),
    );
    expect(after.filter(touched).length).toBe(rewritten.length);
    // Its id was the smallest of a table, and stood in the ranges of a manifest.
    for await (const { key, versionId, deleted } of lake.versions?.list('bronze/') ?? []) {
      if (deleted || !key.endsWith('manifest.json')) continue;
      const text = (await lake.versions?.read(key, versionId))?.toString('utf8');
      expect([versionId, text?.includes('"C1"')]).toEqual([versionId, false]);
    }
    const picture = await pictureOf(world);
    const again = await world.erase({ requestIds: ['DSR-1'] });
    expect(again.report.plan?.totals).toMatchObject({
      rows: 0,
      filesRewritten: 0,
      versionsPurged: 0,
    });
    expect(await pictureOf(world)).toEqual(picture);
  } finally {
    await world.dispose();
  }
});
