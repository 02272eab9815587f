import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { scenarios } from './catalog.js';
import { missing } from './need.js';
import { Trial } from './scenario.js';

/** A few seconds each, and not at the mercy of what else the machine does. */
const quickIds: readonly string[] = ['S11', 'S13', 'S32', 'S36', 'S38'];
/** Figures that a busy machine may miss without anything being wrong: they are judged in the full run. */
const speeds = /p99|CPU|memory|after|longest|goodput/;

describe('faults, the quick ones', () => {
  for (const { id, what, needs, run } of scenarios.filter((scenario) => quickIds.includes(scenario.id))) {
    const skip = needs.map((need) => missing(need, false)).find((reason) => reason !== undefined) ?? false;
    test(`${id}: ${what}`, { skip, timeout: 120_000 }, async () => {
      const trial = new Trial(true);
      try {
        await run(trial);
      } finally {
        await trial.stop();
      }
      for (const { name, wanted, seen, ok, details } of trial.figures) {
        if (!speeds.test(name)) assert.ok(ok, `${name}: wanted ${wanted}, seen ${seen}\n${details.join('\n')}`);
      }
    });
  }
});
