import { Counter, Gauge, Histogram, type Registry, Summary } from 'prom-client';

const request = ['type', 'name', 'ccid', 'domain'] as const;

/**
 * The guide's metrics of CometD, the event channel of Genesys Web Services. Until its connector is here they are zero,
 * and there: dashboards and alerts that name them go on working.
 */
export function registerCometdMetrics(registry: Registry): void {
  const empty = (labelNames: readonly string[]) => Object.fromEntries(labelNames.map((label) => [label, '']));
  const described = (name: string, help: string, labelNames: readonly string[]) => ({
    name: `iwd_cometd_${name}`,
    help: `${help}; zero without the connector`,
    labelNames,
    registers: [registry],
  });
  const connection = ['type', 'ccid'];
  new Gauge(described('connections_total', 'Open CometD connections', connection)).set(empty(connection), 0);
  new Counter(described('errors_total', 'Errors of CometD connections', connection)).inc(empty(connection), 0);
  new Counter(described('request_errors_total', 'CometD requests that failed', request)).inc(empty(request), 0);
  new Gauge(described('request_current', 'CometD requests under way', request)).set(empty(request), 0);
  new Histogram(described('request_duration_milliseconds', 'Duration of CometD requests', request)).zero(
    empty(request),
  );
  const summary = new Summary(described('request_duration_milliseconds_summary', 'Quantiles of the same', request));
  // A summary has no other way to be there without an observation.
  summary.observe(empty(request), 0);
  summary.reset();
  const events = ['type', 'name', 'ccid'];
  new Counter(described('events_total', 'Events received over CometD', events)).inc(empty(events), 0);
}
