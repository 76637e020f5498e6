// The tables, and the page.

const paused = (list = [], total = list.length) =>
  titled(total ? plural(total, 'partition') : 'none', list.map(({ partition, lengthMs }) => `partition ${partition}: ${millis(lengthMs)}`).join('\n'));

function faultTable() {
  const rows = faults.map((fault, index) => [
    `F${index + 1}`, titled(fault.type, `ChaosRun ${fault.chaosRun}`), fault.victim || '–', words(fault.state), zero(fault.lost), zero(fault.duplicated),
    titled(clock(fault.injectedAtMs, true), `${exact(fault.injectedAtMs)} ms`), optional(fault.recoveredAtMs, (ms) => length(ms - fault.injectedAtMs)),
    optional(fault.longestPauseMs, length), paused(fault.pauses), optional(fault.longestAckGapMs, length),
  ]);
  const columns = '#, Fault, Victim|text, State|nowrap, Lost|num, Counted twice|num, Injected at|num, Recovered after|num, Longest pause|num, Paused|nowrap, Longest ack gap|num';
  return rows.length > 0 && section('Faults', table(columns, rows));
}

function disturbanceTable() {
  const rows = disturbances.map((one) => [
    member(one), titled(words(one.cause), [one.podBefore, one.podAfter].filter(Boolean).join(' → ')), at(one.startedAt), optional(one.durationMs, length),
    length(one.longestPauseMs), paused(one.pausedPartitions, one.pausedPartitionsTotal), optional(one.longestAckGapMs, length), count(one.peakLagRecords),
    optional(one.drainMs, length), exact(one.rebalances),
  ]);
  const columns = 'Member|nowrap, What happened|nowrap, At|num, Ready after|num, Longest pause|num, Paused|nowrap, Longest ack gap|num, Peak lag|num, Drained after|num, Rebalances|num';
  const caption = status.disturbancesTotal > rows.length && `The last ${rows.length} of ${exact(status.disturbancesTotal)}`;
  return rows.length > 0 && section('Disturbances of the load pods', table(columns, rows, caption));
}

function wrong() {
  const { wrongAccounts = [], partitionsWrong = [], malformedSamples = [], accountsWrong } = status.correctness ?? {};
  const accounts = wrongAccounts.map((one) => [one.accountId, one.partition, ...[one.expected, one.counted, one.counted - one.expected].map(exact)]);
  const records = malformedSamples.map((one) => [one.partition, exact(one.offset), one.reason]);
  return section('What is wrong',
    partitionsWrong.length > 0 && h('p', {}, `Partitions with a wrong tally: ${partitionsWrong.join(', ')}.`),
    accounts.length > 0 && table('Account, Partition|num, Total expected|num, Total counted|num, Difference|num', accounts, `${accounts.length} of ${plural(accountsWrong, 'wrong account')}`),
    records.length > 0 && table('Partition, Offset|num, Why it is no event of this run|text', records, 'Malformed records'));
}

/** A share with a bar as long as it is large. */
const meter = (value) => h('span', { class: 'nowrap' }, h('i', { class: 'meter', style: `--share: ${value}%` }), `${value}${SPACE}%`);
const MEASURES = {
  cpuMillicores: 'CPU of all', throttledPercent: 'stopped by a CPU limit', queueFullPercent: "client's queue full", quotaPercent: 'held back by a quota',
  count: 'number', produce: 'produce request', fetch: 'fetch request', isrShrinks: 'replicas fell out of sync', ledgerPercent: 'waited for the ledger',
  idlePercent: 'waited for records', ledgerCallUs: 'a call of the ledger', mainThreadPercent: 'main thread busy', cpuPercent: 'CPU busy',
  stolenPercent: 'stolen by other machines', ioWaitPercent: 'waited for disks', memoryPercent: 'memory in use',
};
/** A measure whose name ends with its unit. */
function measured([name, value]) {
  const [, what, unit] = name.match(/^(.*?)(Percent|Millicores|Us)?$/);
  const formats = { Percent: meter, Millicores: (millicores) => cores(millicores / 1000), Us: time };
  const parts = () => Object.entries(value).map(([part, us]) => `${words(part.slice(0, -2))} ${time(us)}`).join(', ');
  return [MEASURES[name] ?? words(what), typeof value === 'object' ? parts() : (formats[unit] ?? exact)(value)];
}

function utilization({ seconds, ...used }) {
  const list = Object.entries(used).map(([part, figures]) => [capital(part), Object.entries(figures).map(measured)]);
  const note = `Over ${tidy(millis(seconds * 1000))} of sending after the warm-up; where there are several of a kind, of the busiest.`;
  return section('Utilization', h('p', { class: 'note' }, note), groups(list));
}

// ---- Everything else ----
/** A tree as pairs of path and value. */
function flat(value, path = '') {
  if (value === '') return [];
  if (typeof value !== 'object') return [[path.split(/(?<=\.)/).flatMap((part) => [part, h('wbr')]), h('code', {}, String(value))]];
  return Object.entries(value).flatMap(([name, child]) => flat(child, path ? `${path}.${name}` : name));
}

/** A tree as groups: what it has itself, and one for each of its branches. */
function fields(title, tree) {
  const isBranch = ([, child]) => typeof child === 'object', all = Object.entries(tree);
  const own = Object.fromEntries(all.filter((entry) => !isBranch(entry)));
  const list = [['', own], ...all.filter(isBranch)].map(([name, child]) => [name, flat(child)]).filter(([, rows]) => rows.length > 0);
  return list.length > 0 && h('details', {}, h('summary', {}, title), groups(list));
}

function everything() {
  const { producerConfig: Producers, consumerConfig: Counters, topicConfig: Topic, brokerConfig: Broker, ...origin } = provenance;
  return section('Everything, unrounded', fields('Status', status), fields('Spec, with its defaults', spec),
    fields('What it was run with', { ...origin, ...loadTest }), fields('Configuration of Kafka and its clients', { Producers, Counters, Topic, Broker }));
}

// ---- The page ----
const [why, because] = isUpperBound ? ['are upper bounds', UPPER_BOUND] : ['mean nothing', VALIDITY[validity]];
const warning = validity && validity !== 'Valid' && h('p', { class: 'warning' }, h('strong', {}, `The latencies of this run ${why} (${validity}). `), because);
const omitted = report.omitted && h('section', {}, h('p', { class: 'note' }, `Left out, as the report would have been too large: ${report.omitted.join('; ')}.`));
document.getElementById('page').replaceChildren(...[
  verdict(), keyFigures(), warning, h('div', { class: 'columns' }, bottleneck(), objectives()), wrong(), ceiling(), overTime(), faultTable(), disturbanceTable(),
  latencies(), status.utilization && utilization(status.utilization), everything(), omitted,
].filter(Boolean));

// Paper has its own width; what is folded is unfolded by the style.
addEventListener('beforeprint', () => plots.forEach((plot) => draw(plot, 700)));
addEventListener('afterprint', () => plots.forEach((plot) => draw(plot, plot.canvas.clientWidth)));
