import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { bucketEnds, RequestSeries } from './request-series.js';

const requests = fc.array(
  fc.record({
    method: fc.constantFrom('GET', 'POST'),
    path: fc.constantFrom('/a', '/b/:id', 'none'),
    code: fc.constantFrom(200, 404, 503),
    ccid: fc.constantFrom('', 'acme', 'umbrella'),
    ms: fc.oneof(fc.constantFrom(...bucketEnds), fc.double({ min: 0, max: 20_000, noNaN: true })),
  }),
  { maxLength: 200 },
);

test('any requests are counted as a list of them would say', () => {
  fc.assert(
    fc.property(requests, (all) => {
      const series = new RequestSeries();
      for (const { method, path, code, ccid, ms } of all) series.observe(method, path, code, ccid, ms);
      const found = [...series];
      assert.equal(
        found.reduce((sum, { count }) => sum + count, 0),
        all.length,
      );
      for (const { labels, count, countByBucket, sumMs } of found) {
        const own = all.filter((one) => Object.entries(labels).every(([name, value]) => one[name as 'path'] === value));
        assert.equal(count, own.length);
        assert.ok(Math.abs(sumMs - own.reduce((sum, { ms }) => sum + ms, 0)) < 1e-6 * (sumMs + 1));
        let below = 0;
        for (const [index, end] of bucketEnds.entries()) {
          below += countByBucket[index]!;
          assert.equal(below, own.filter(({ ms }) => ms <= end).length);
        }
      }
    }),
  );
});

test('beyond 2,000 series requests are counted without their tenant, and those that were there go on', () => {
  const series = new RequestSeries();
  for (let n = 0; n < 3000; n++) series.observe('GET', '/a', 200, `tenant ${n}`, 1);
  series.observe('GET', '/a', 200, 'tenant 0', 1);
  const all = [...series];
  assert.equal(all.length, 2001);
  assert.equal(all.find(({ labels }) => labels.ccid === '')!.count, 1000);
  assert.equal(all.find(({ labels }) => labels.ccid === 'tenant 0')!.count, 2);
});

test('what a label holds cannot end it', () => {
  const series = new RequestSeries();
  series.observe('GET', '/a', 200, 'a"b\\c\nd', 1);
  assert.match(series.text(), /^iwd_api_request_total\{method="GET",path="\/a",code="200",ccid="a\\"b\\\\c\\nd"\} 1$/m);
});
