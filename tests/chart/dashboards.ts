import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { promtool } from './rules.js';

interface Dashboard {
  uid: string;
  title: string;
  panels: { type: string; title: string; targets?: { expr: string }[] }[];
}

/** Grafana's variables are not PromQL: what they stand for in these dashboards. */
const asPromql = (expr: string) => expr.replaceAll('$__rate_interval', '5m').replace(/\$\w+/g, '.*');

/** The chart's dashboards as Grafana's sidecar gets them; each expression goes through promtool as a recording rule. */
export function dashboardFaults(rendered: string, folder: string): { what: string; faults: string[] } {
  const { data } = parse(rendered) as { data: Record<string, string> };
  const all = Object.values(data).map((text) => JSON.parse(text) as Dashboard);
  const panels = all.flatMap(({ panels }) => panels).filter(({ type }) => type !== 'row');
  const expressions = panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => asPromql(expr)));
  const rules = expressions.map((expr, index) => ({ record: `panel:expression:${index}`, expr }));
  writeFileSync(join(folder, 'dashboards.yaml'), stringify({ groups: [{ name: 'dashboards', rules }] }));
  return {
    what: `promtool: ${expressions.length} expressions of ${panels.length} panels of ${all.length} dashboards`,
    faults: [
      ...promtool(['check', 'rules', 'dashboards.yaml'], folder),
      ...panels.filter(({ targets = [] }) => targets.length === 0).map(({ title }) => `${title} shows nothing`),
      ...(new Set(all.map(({ uid }) => uid)).size === all.length ? [] : ['two dashboards have one uid']),
    ],
  };
}
