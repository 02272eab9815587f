import assert from 'node:assert/strict';
import { test } from 'node:test';
import { compileRule, Rule, viewOf } from './rule.js';
import type { Draft } from './work-item.js';

function draftOf(attributes: unknown, more: Partial<Draft> = {}): Draft {
  return { attributes: JSON.stringify(attributes), fingerprint: '0', ...more };
}

function compiled(text: string): Rule {
  const rule = compileRule(text);
  assert.ok(rule instanceof Rule, `${text}: ${JSON.stringify(rule)}`);
  return rule;
}

function matches(text: string, draft: Draft): boolean {
  const rule = compiled(text);
  return rule.matches(viewOf(draft, rule.readsAttributes));
}

function refused(text: string): string {
  const rule = compileRule(text);
  assert.ok(!(rule instanceof Rule), `${text} was accepted`);
  return rule.error;
}

const item = draftOf(
  { complaintType: 'Noise - Street', n: 3, tags: ['a', 'b'], mixed: [1, 'x', { z: 1 }], nothing: null, ok: true },
  {
    channel: 'email',
    businessValue: 7.5,
    dueDateTime: Date.UTC(2026, 2, 2),
    createdDateTime: Date.UTC(2026, 2, 1, 17),
  },
);

test('rules read fields, attributes, times and numbers as one would write them', () => {
  const truths = [
    'item.businessValue * 2 > 10',
    '2 * item.businessValue - 5 == 10',
    'item.businessValue in [1, 7.5] && !(item.businessValue in [7.0, 8.0])',
    'item.businessValue != 7 && 7 != item.businessValue && !(item.businessValue == 7) && item.attributes.n == 3',
    'item.attributes.n in [1, 2, 3]',
    'item.attributes.n + 1 == 4 && item.attributes.n / 2 > 1',
    'item.attributes.n >= 3 && 4 > item.attributes.n',
    'has(item.channel) && item.channel == "email" && !has(item.captureId)',
    "item.attributes.complaintType.startsWith('Noise')",
    'item.attributes.complaintType.lowerAscii().contains("street")',
    'item.attributes.complaintType in ["Rodent", "Noise - Street"]',
    '"a" in item.attributes.tags && !("c" in item.attributes.tags)',
    '"x" in item.attributes.mixed && 1 in item.attributes.mixed',
    'item.attributes.tags == ["a", "b"] && item.attributes.tags.size() == 2 && item.attributes.tags[1] == "b"',
    'has(item.attributes.n) && !has(item.attributes.zzz)',
    'item.attributes.nothing == null && item.attributes.ok',
    'item.dueDateTime - item.createdDateTime < duration("8h")',
    'item.dueDateTime > timestamp("2026-01-01T00:00:00Z")',
    'item.createdDateTime.getHours() == 17 && item.createdDateTime.getHours("America/New_York") == 12',
    'item.channel + "!" == "email!"',
    'item.attributes.ok ? item.channel == "email" : false',
    'item.attributes.ok',
    'true || item.attributes.zzz == 1',
  ];
  for (const text of truths) assert.equal(matches(text, item), true, text);
});

test('a rule that has no answer says why instead of guessing', () => {
  assert.throws(() => matches('item.attributes.zzz == 1', item), /No such key: zzz/);
  assert.throws(() => matches('item.captureId == "x"', item), /No such key: captureId/);
  assert.throws(() => matches('item.attributes.n', item), /neither true nor false/);
  assert.throws(() => matches('item.attributes.complaintType > 3', item), /no such overload/);
});

test('the reason why a rule has no answer is short and can be stored', () => {
  for (const text of ['\u{1f600}'.repeat(1000), `x${'\u{1f600}'.repeat(1000)}`]) {
    assert.throws(
      () => matches('bool(item.attributes.text)', draftOf({ text })),
      ({ message }: Error) => message.length < 400 && !/\p{Surrogate}/u.test(message),
    );
  }
});

test('a rule is checked when it is saved', () => {
  assert.match(refused('item.channel =='), /Unexpected token: EOF at character 15/);
  assert.match(refused('item.chanel == "x"'), /did you mean channel/);
  assert.match(refused('has(item.chanel)'), /did you mean channel/);
  assert.match(refused('item.complaintType == "x"'), /under item.attributes/);
  assert.match(refused('order.total > 3'), /Unknown variable: order/);
  assert.match(refused('item.businessValue'), /true or false.*double/);
  assert.match(refused('item.channel > 3'), /no such overload/);
  assert.match(refused('item.businessValue in [7, 8]'), /double in list<int>/);
  assert.match(refused(`item.channel == "${'x'.repeat(2048)}"`), /2048 characters/);
  assert.match(refused(Array(300).fill('true').join('||')), /maxAstNodes/);
  assert.match(refused(`${'('.repeat(100)}true${')'.repeat(100)}`), /maxDepth/);
});

test('what has no good bound in time is refused with the way to write it', () => {
  assert.match(refused('item.channel.matches("^(a+)+$")'), /matches\(\) is not allowed: use startsWith/);
  assert.match(refused('item.attributes.tags.exists(t, t == "a")'), /not allowed/);
  assert.match(refused('[1, 2].all(x, x > 0)'), /not allowed/);
  assert.match(refused('item.attributes.tags.map(t, t).size() > 0'), /not allowed/);
  assert.match(refused('cel.bind(x, item.attributes.a, x == 1)'), /not allowed/);
  assert.match(refused('item.attributes.a.split("").size() > 1'), /not allowed/);
  assert.match(refused('dyn(item).attributes.a == 1'), /not allowed/);
  assert.match(refused('{"a": 1}.size() == 1'), /not allowed/);
  assert.match(refused('duration(item.attributes.a) > duration("1h")'), /takes a literal/);
  assert.match(refused('item.attributes.a.contains(item.attributes.b)'), /takes a literal/);
  assert.match(refused(`item.attributes.a.contains("${'ab'.repeat(51)}")`), /at most 100/);
  assert.match(refused('item.attributes.a == item.attributes.b'), /string\(\.\.\.\)/);
  assert.match(refused('item.attributes.a in item.attributes.b'), /string\(\.\.\.\)/);
  assert.match(refused('item.attributes.a + item.attributes.b == "x"'), /string\(\.\.\.\)/);
  assert.match(refused('item["attri" + "butes"].a == 1'), /item.name/);
  assert.match(refused('item.createdDateTime.getHours("Nowhere") > 1'), /time zone/);
  compiled('string(item.attributes.a) == string(item.attributes.b)');
  compiled('string(item.attributes.a) in item.attributes.b');
});

test('rules cannot reach beyond the data', () => {
  for (const name of ['constructor', '__proto__', 'toString', 'fingerprint', 'id', 'status']) {
    assert.match(refused(`item.${name} == "x"`), /not known to rules/);
    assert.equal(matches(`has(item.attributes.${name})`, item), false);
  }
});

test('attributes with a key named constructor, and very wide ones, are read like any other', () => {
  const odd = draftOf({ nested: { constructor: 'x', y: [{ constructor: { a: 1 } }] } });
  assert.equal(matches('item.attributes.nested.constructor == "x"', odd), true);
  assert.equal(matches('item.attributes.nested.y[0].constructor.a == 1', odd), true);
  const wide = draftOf(Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`k${i}`, { v: i }])));
  const text =
    'item.attributes.k77.v == 77 && has(item.attributes.k1999) && !has(item.attributes.k2000) && "k5" in item.attributes';
  assert.equal(matches(text, wide), true);
  assert.equal(matches('size(item.attributes) == 2000', wide), true);
});

test('a rule that reads large attributes again and again is stopped', () => {
  const large = draftOf({ text: 'x'.repeat(60_000) });
  const reading = (times: number) => `item.attributes.text${'.lowerAscii()'.repeat(times)} == "y"`;
  assert.equal(matches(reading(4), large), false);
  assert.throws(() => matches(reading(25), large), /too much work/);
  assert.equal(matches(reading(25), draftOf({ text: 'x'.repeat(10_000) })), false);
  const many = Array(60).fill('item.attributes.text == "y"').join(' || ');
  assert.equal(matches(many, large), false);
});
