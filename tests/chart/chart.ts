import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { settingsTable } from '../../bin/settings.js';
import { root } from '../../scripts/imports-check.js';
import { dashboardFaults } from './dashboards.js';
import { ruleFaults } from './rules.js';
import { toolPath } from './tools.js';

const help = `npm run test:chart [-- --update]

Checks charts/iwd with the real tools: helm lint --strict, helm template for the guide's sample files and for a matrix of
values, each rendered object against the strict schemas of Kubernetes, the samples against their golden files, settings
against the server's own table, alerts and dashboards by promtool, the Dockerfile by hadolint. Installs what the machine lacks (Go
and Python are needed, and root for promtool).

  --update  writes the golden files anew`;

const chart = join(root, 'charts', 'iwd');
const golden = join(chart, 'ci', 'golden');
const kubernetes = '1.31';
/** What the chart would draw by lot, so that renderings can be compared. */
const fixed = ['secrets.clusterApiKey=cluster', 'secrets.masterKey=master', 'test.apiKey=tenant'];

/** Values that take every branch of the templates at least once. */
const matrix: Record<string, readonly string[]> = {
  defaults: [],
  'own Postgres, two pods': ['postgres.host=pg', 'postgres.password=p', 'replicaCount=2'],
  'everything on': [
    ...['postgres.host=pg', 'postgres.ssl=true', 'hpa.enabled=true', 'podDisruptionBudget.enabled=true'],
    ...[
      'networkPolicies.enabled=true',
      'serviceAccount.create=true',
      'monitoring.enabled=true',
      'monitoring.alarms=true',
      'monitoring.dashboards=true',
      'alerts.labels.release=kube',
    ],
    ...[
      'redis.nodes=redis://a:6380\\,redis://b:6380',
      'redis.enableTLS=true',
      'redis.password=a b',
      'redis.useCluster=true',
    ],
    ...['image.pullSecrets[0]=mycred', 'priorityClassName=high', 'podLabels.team=claims', 'podAnnotations.note=x'],
    ...['ingress.enabled=true', 'ingress.className=nginx', 'gauth.auth.url=https://id', 'gws.clientId=iwd'],
    ...['gws.clientSecret=s', 'secrets.metricsToken=m', 'env.IWD_SHARDS=2', 'nodeSelector.disk=ssd'],
    ...['tolerations[0].operator=Exists', 'affinity.podAffinity.preferredDuringSchedulingIgnoredDuringExecution=null'],
  ],
  'a ReplicaSet with a Secret of its own': [
    'deploymentType=ReplicaSet',
    'existingSecret=mine',
    'redis.nodes=redis://r:6379',
  ],
};

/** Values that must be refused, with what the message says. */
const refused: [string, RegExp][] = [
  ['replicaCount=2', /needs postgres\.host/],
  ['replicaCout=2', /replicaCout/],
  ['deploymentType=StatefulSet', /deploymentType/],
  ['terminationGracePeriodSeconds=5', /terminationGracePeriodSeconds/],
  ['hpa.targetCPUPercent=0', /targetCPUPercent/],
  ['alerts.errorRate.for=soon', /alerts\.errorRate\.for/],
  ['alerts.errorRate.metric=up', /alerts\.errorRate\.metric/],
  ['alerts.memory.threshold=1', /threshold/],
];

/** Kinds of the Prometheus operator, which Kubernetes itself has no schema for. */
const foreign = new Set(['PodMonitor', 'PrometheusRule']);

const faults: string[] = [];

function check(what: string, ok: boolean, detail: string): void {
  if (!ok) faults.push(`${what}\n${detail}`);
  console.log(`${ok ? 'ok  ' : 'FAIL'} ${what}`);
}

function helm(args: readonly string[]): { ok: boolean; out: string; error: string } {
  const { status, stdout, stderr } = spawnSync(toolPath('helm'), args, { encoding: 'utf8' });
  return { ok: status === 0, out: stdout, error: stderr };
}

function template(args: readonly string[]): ReturnType<typeof helm> {
  return helm(['template', 'iwd', chart, '--namespace', 'iwd', '--kube-version', `${kubernetes}.0`, ...args]);
}

const set = (values: readonly string[]) => values.flatMap((value) => ['--set', value]);

function lint(samples: readonly string[]): void {
  for (const sample of [undefined, ...samples]) {
    const { ok, out, error } = helm(['lint', '--strict', chart, ...(sample === undefined ? [] : ['-f', sample])]);
    check(`helm lint --strict ${sample === undefined ? '' : basename(sample)}`, ok, out + error);
  }
}

function validate(what: string, rendered: string, folder: string): void {
  const objects = parseAllDocuments(rendered).map((document) => document.toJS() as { kind: string } | null);
  let faulty = '';
  for (const object of objects.filter((one) => one !== null && !foreign.has(one.kind))) {
    const file = join(folder, 'object.json');
    writeFileSync(file, JSON.stringify(object));
    const args = ['--strict', '--kubernetes-version', kubernetes, file];
    const { status, stdout, stderr } = spawnSync(toolPath('kubernetes-validate'), args, { encoding: 'utf8' });
    if (status !== 0) faulty += `${object!.kind}: ${stdout}${stderr}`;
  }
  check(`${what}: ${objects.length} objects are valid`, objects.length > 4 && faulty === '', faulty);
  checkSettings(what, objects as ConfigMap[]);
}

interface ConfigMap {
  kind: string;
  data?: Record<string, string>;
}

/** A variable that the server does not know would keep it from starting. */
function checkSettings(what: string, objects: readonly ConfigMap[]): void {
  const known = new Set<string>(Object.values(settingsTable).map(({ env }) => env));
  known.add('PGPASSWORD');
  const given = objects.flatMap(({ kind, data }) =>
    kind === 'ConfigMap' || kind === 'Secret' ? Object.keys(data ?? {}).filter((key) => !key.endsWith('.json')) : [],
  );
  const unknown = given.filter((name) => !known.has(name));
  check(`${what}: the server knows all ${given.length} settings`, unknown.length === 0, unknown.join(', '));
}

function compareGolden(sample: string, rendered: string): void {
  const file = join(golden, `${basename(sample, '-values.yaml')}.yaml`);
  if (process.argv.includes('--update')) {
    mkdirSync(golden, { recursive: true });
    writeFileSync(file, rendered);
  }
  const same = existsSync(file) && readFileSync(file, 'utf8') === rendered;
  check(
    `${basename(sample)} renders as ${basename(file)} says`,
    same,
    'changed on purpose? npm run test:chart -- --update',
  );
}

function checkRefusals(): void {
  for (const [value, message] of refused) {
    const { ok, error } = template(set([value]));
    check(`${value} is refused`, !ok && message.test(error), error);
  }
}

function checkRules(folder: string): void {
  const { out, error } = template(['--set', 'monitoring.alarms=true', '--show-only', 'templates/prometheus-rule.yaml']);
  const { what, faults: found } = ruleFaults(out, join(chart, 'rules-test'), folder);
  check(what, found.length === 0, [...found, error].join('\n'));
  const dashboards = template(['--set', 'monitoring.dashboards=true', '--show-only', 'templates/dashboards.yaml']);
  const { what: which, faults: wrong } = dashboardFaults(dashboards.out, folder);
  check(which, wrong.length === 0, [...wrong, dashboards.error].join('\n'));
}

function checkDockerfile(): void {
  const { status, stdout, stderr } = spawnSync(toolPath('hadolint'), [join(root, 'Dockerfile')], { encoding: 'utf8' });
  check('hadolint Dockerfile', status === 0, stdout + stderr);
}

function main(): void {
  if (process.argv.includes('--help')) {
    console.log(help);
    return;
  }
  const samples = readdirSync(join(chart, 'ci')).filter((name) => name.endsWith('-values.yaml'));
  const files = samples.map((name) => join(chart, 'ci', name));
  const folder = mkdtempSync(join(tmpdir(), 'iwd-chart-'));
  lint(files);
  for (const file of files) {
    const { ok, out, error } = template(['-f', file, ...set(fixed)]);
    check(`helm template -f ${basename(file)}`, ok, error);
    validate(basename(file), out, folder);
    compareGolden(file, out);
  }
  for (const [name, values] of Object.entries(matrix)) {
    const { ok, out, error } = template(set([...fixed, ...values]));
    check(`helm template: ${name}`, ok, error);
    validate(name, out, folder);
  }
  checkRefusals();
  checkRules(folder);
  checkDockerfile();
  rmSync(folder, { recursive: true });
  if (faults.length === 0) return;
  console.error(`\n${faults.join('\n\n')}`);
  process.exitCode = 1;
}

main();
