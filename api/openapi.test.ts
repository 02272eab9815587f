import assert from 'node:assert/strict';
import { test } from 'node:test';
import Schema from 'typebox/schema';
import { apiKeys } from './api-keys.js';
import { openApiDocument } from './openapi.js';
import { problemTypes } from './problem.js';
import { ScriptedEngine } from './scripted-engine.js';
import { buildServer } from './server.js';

type Json = Record<string, unknown>;

/** The document as a client reads it: what does not survive JSON is not in it. */
const text = JSON.stringify(openApiDocument());
const document = JSON.parse(text) as Json;
const paths = document.paths as Record<string, Record<string, Json>>;
const operations = Object.entries(paths).flatMap(([path, methods]) =>
  Object.entries(methods).map(([method, operation]) => ({ path, method, operation })),
);

function resolve(reference: string): Json {
  assert.match(reference, /^#\//);
  let node: unknown = document;
  for (const key of reference.slice(2).split('/')) node = (node as Json | undefined)?.[key];
  assert.ok(node !== undefined, `${reference} does not resolve`);
  return node as Json;
}

/** The node with every reference replaced by what it names. */
function inlined(node: unknown): unknown {
  if (Array.isArray(node)) return node.map(inlined);
  if (typeof node !== 'object' || node === null) return node;
  if ('$ref' in node) return inlined(resolve(node.$ref as string));
  return Object.fromEntries(Object.entries(node).map(([key, value]) => [key, inlined(value)]));
}

const responsesOf = (operation: Json) => Object.entries(inlined(operation.responses) as Record<string, Json>);

test('the document is OpenAPI 3.1 in its fixed parts', () => {
  assert.match(String(document.openapi), /^3\.1\.\d+$/);
  const { title, version } = document.info as Json;
  assert.ok(title && version);
  const known = ['openapi', 'info', 'servers', 'security', 'tags', 'paths', 'components'];
  assert.deepEqual(Object.keys(document), known);
  for (const path of Object.keys(paths)) assert.match(path, /^\/[^?#]*$/);
});

test('every reference resolves, and every component but the answer to a wrong method is referred to', () => {
  const references = new Set([...text.matchAll(/"\$ref":"([^"]+)"/g)].map((match) => match[1]!));
  assert.ok(references.size > 30);
  for (const reference of references) resolve(reference);
  const components = document.components as Record<string, Json>;
  for (const kind of ['parameters', 'schemas', 'headers', 'responses']) {
    for (const name of Object.keys(components[kind]!)) {
      assert.match(name, /^[\w.-]+$/);
      if (name !== 'Problem405')
        assert.ok(references.has(`#/components/${kind}/${name}`), `${kind}/${name} is not used`);
    }
  }
});

test('every operation is complete', () => {
  const ids = new Set<unknown>();
  const tags = new Set((document.tags as Json[]).map(({ name }) => name));
  for (const { path, method, operation } of operations) {
    const where = `${method} ${path}`;
    assert.match(method, /^(get|post|put|patch|delete)$/);
    assert.ok(!ids.has(operation.operationId), where);
    ids.add(operation.operationId);
    assert.ok(operation.summary, where);
    assert.match(String(operation['x-access']), /^(open|cluster|signed-in|iWD\.[\w.]+)$/, where);
    for (const tag of operation.tags as string[]) assert.ok(tags.has(tag), where);
    const parameters = inlined(operation.parameters) as Json[];
    const named = parameters.map(({ name, in: place }) => `${place}/${name}`);
    assert.equal(new Set(named).size, named.length, where);
    for (const parameter of parameters) {
      assert.match(String(parameter.in), /^(path|query|header)$/);
      assert.ok(parameter.schema, where);
      if (parameter.in === 'path') assert.equal(parameter.required, true);
    }
    const inPath = [...path.matchAll(/\{(\w+)\}/g)].map((match) => `path/${match[1]}`);
    assert.deepEqual(
      named.filter((name) => name.startsWith('path/')),
      inPath,
      where,
    );
    assert.equal(operation.requestBody !== undefined, /^(post|put|patch)$/.test(method), where);
    assert.ok(
      responsesOf(operation).some(([status]) => /^[23]/.test(status)),
      where,
    );
    for (const [status, response] of responsesOf(operation)) {
      assert.match(status, /^[2-5]\d\d$/);
      assert.ok(response.description, where);
      if (status !== '204' && status !== '302') assert.ok(Object.keys(response.content as Json).length > 0, where);
    }
  }
});

test('the security schemes that are asked for exist', () => {
  const schemes = Object.keys((document.components as Record<string, Json>).securitySchemes!);
  for (const holder of [document, ...operations.map(({ operation }) => operation)]) {
    for (const need of (holder.security ?? []) as Json[])
      for (const name of Object.keys(need)) assert.ok(schemes.includes(name));
  }
});

test('every example obeys its schema', () => {
  let examples = 0;
  const check = (media: Json, where: string) => {
    const given = [
      media.example,
      ...Object.values((media.examples ?? {}) as Record<string, Json>).map(({ value }) => value),
    ];
    for (const example of given.filter((one) => one !== undefined)) {
      examples += 1;
      assert.ok(Schema.Check(media.schema as Json, example), `${where}: ${JSON.stringify(example)}`);
    }
  };
  for (const { path, method, operation } of operations) {
    const body = inlined(operation.requestBody ?? { content: {} }) as { content: Record<string, Json> };
    for (const [status, { content }] of [['body', body as Json] as const, ...responsesOf(operation)]) {
      for (const media of Object.values((content ?? {}) as Record<string, Json>))
        check(media, `${method} ${path} ${status}`);
    }
    for (const parameter of inlined(operation.parameters) as Json[])
      check(parameter, `${method} ${path} ${parameter.name}`);
  }
  assert.ok(examples > 200, String(examples));
});

test('every body and every JSON answer of the API has an example', () => {
  for (const { path, method, operation } of operations) {
    if (!(operation.parameters as Json[]).some(({ $ref }) => String($ref).endsWith('X-Request-Id'))) continue;
    const body = (inlined(operation.requestBody ?? {}) as Json).content ?? {};
    for (const { content } of [{ content: body }, ...responsesOf(operation).map(([, response]) => response)]) {
      for (const media of Object.values((content ?? {}) as Record<string, Json>)) {
        assert.ok(media.example !== undefined || media.examples !== undefined, `${method} ${path}`);
      }
    }
  }
});

test('what is documented is served, and what is served is documented', async () => {
  const engine = new ScriptedEngine();
  const server = buildServer({ engine, tenants: apiKeys([]), loop: { p99Ms: () => 0 } });
  const served: string[] = [];
  server.addHook('onRoute', ({ method, url }) => {
    served.push(`${String(method).toLowerCase()} ${url.replace(/:(\w+)/g, '{$1}')}`);
  });
  await server.ready();
  assert.ok(served.length > 25);
  assert.deepEqual(served.sort(), operations.map(({ method, path }) => `${method} ${path}`).sort());
  await server.close();
});

test('every code that an answer may carry is documented', () => {
  for (const [code, { status, title }] of Object.entries(problemTypes)) {
    const response = resolve(`#/components/responses/Problem${status}`);
    assert.ok(String(response.description).includes(`\`${code}\`: ${title}.`), code);
  }
});
