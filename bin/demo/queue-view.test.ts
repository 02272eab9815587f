import assert from 'node:assert/strict';
import { test } from 'node:test';
import { queueLines, span } from './queue-view.js';

test('a duration is shown in its two largest units', () => {
  const minute = 60_000;
  assert.deepEqual([0, 59_999, minute, 12 * minute + 3000, 200 * minute, 52 * 60 * minute, -90_000, -999].map(span), [
    '0s',
    '59s',
    '1m 00s',
    '12m 03s',
    '3h 20m',
    '2d 04h',
    '-1m 30s',
    '0s',
  ]);
});

test('the head of the queue is a table with rank, priority, age, category, due time and request', () => {
  const lines = queueLines(
    {
      at: '2026-01-01T12:00:00.000Z',
      items: [
        {
          priority: 812.34,
          category: 'hazard/traffic',
          createdDateTime: '2026-01-01T11:30:00.000Z',
          dueDateTime: '2026-01-01T11:59:00.000Z',
          attributes: { complaintType: 'Traffic Signal Condition', borough: 'QUEENS', latitude: 40.7 },
        },
        { priority: 5, createdDateTime: '2026-01-01T12:00:00.000Z' },
      ],
    },
    200,
  );
  assert.equal(lines.length, 3);
  assert.match(lines[1]!, /^ +1 +812\.3 +30m 00s +hazard\/traffic +-1m 00s +Traffic Signal Condition, QUEENS$/);
  assert.match(lines[2]!, /^ +2 +5\.0 +0s +- +-$/);
});

test("no line is wider than the terminal, and a source's text cannot move the cursor", () => {
  const item = {
    priority: 1,
    createdDateTime: '2026-01-01T12:00:00.000Z',
    attributes: { complaintType: '\x1b[2J\nx'.repeat(50) },
  };
  const lines = queueLines({ at: '2026-01-01T12:00:00.000Z', items: [item] }, 80);
  assert.ok(lines.every((line) => line.length <= 80 && !/\p{Cc}/u.test(line)));
});
