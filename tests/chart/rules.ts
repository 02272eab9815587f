import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { root } from '../../scripts/imports-check.js';
import { toolPath } from './tools.js';

interface Rule {
  alert: string;
  labels: { severity: string };
  annotations: { summary: string; description: string; runbook_url: string };
}

interface RuleTest {
  tests: { alert_rule_test: { alertname: string; exp_alerts: { exp_labels: { severity: string } }[] }[] }[];
}

/** The runbook of a rule: its file's name is the end of the link. */
const runbookOf = ({ annotations }: Rule) => join(root, 'docs', 'runbooks', annotations.runbook_url.split('/').at(-1)!);

/** What every runbook answers, in this order. */
const headings = ['Meaning', 'Impact', 'What to look at', 'What to do'];

/** The PrometheusRule of the chart by promtool, with the tests of `tests`; what no tool checks is checked here. */
export function ruleFaults(rendered: string, tests: string, folder: string): { what: string; faults: string[] } {
  const { groups } = (parse(rendered) as { spec: { groups: { rules: Rule[] }[] } }).spec;
  const rules = groups.flatMap((group) => group.rules);
  writeFileSync(join(folder, 'rules.yaml'), stringify({ groups }));
  const files = readdirSync(tests);
  for (const file of files) copyFileSync(join(tests, file), join(folder, file));
  const outcomes = files.flatMap((file) => outcomesOf(readFileSync(join(tests, file), 'utf8')));
  return {
    what: `promtool: ${rules.length} alerts, each fires and stays silent in ${outcomes.length} tests; their runbooks`,
    faults: [
      ...promtool(['check', 'rules', 'rules.yaml'], folder),
      ...promtool(['test', 'rules', ...files], folder),
      ...rules.flatMap((rule) => [...testFaults(rule, outcomes), ...runbookFaults(rule)]),
    ],
  };
}

/** What promtool has to say against it. */
export function promtool(args: readonly string[], cwd: string): string[] {
  const { status, stdout, stderr } = spawnSync(toolPath('promtool'), args, { cwd, encoding: 'utf8' });
  return status === 0 ? [] : [stdout + stderr];
}

/** Alert and severity of what a test expects to fire; no severity where it expects silence. */
function outcomesOf(text: string): { alert: string; severity: string | undefined }[] {
  return (parse(text) as RuleTest).tests
    .flatMap((test) => test.alert_rule_test)
    .flatMap(({ alertname: alert, exp_alerts: expected }) =>
      expected.length === 0
        ? [{ alert, severity: undefined }]
        : expected.map(({ exp_labels: labels }) => ({ alert, severity: labels.severity as string | undefined })),
    );
}

function testFaults({ alert, labels }: Rule, outcomes: ReturnType<typeof outcomesOf>): string[] {
  const own = outcomes.filter((outcome) => outcome.alert === alert);
  const fires = own.some(({ severity }) => severity === labels.severity);
  const silent = own.some(({ severity }) => severity === undefined);
  return [
    ...(fires ? [] : [`no test sees ${alert} (${labels.severity}) fire`]),
    ...(silent ? [] : [`no test sees ${alert} stay silent`]),
  ];
}

function runbookFaults(rule: Rule): string[] {
  const file = runbookOf(rule);
  if (!existsSync(file)) return [`${rule.alert} has no runbook ${file}`];
  const text = readFileSync(file, 'utf8');
  if (!text.includes(rule.alert)) return [`${file} does not name ${rule.alert}`];
  const found = [...text.matchAll(/^## (.*)$/gm)].map((match) => match[1]!);
  return found.join() === headings.join() ? [] : [`${file} needs the headings ${headings.join(', ')}`];
}
