// What is read first: the verdict, the key figures, what stopped the run, the objectives.

function verdict() {
  return h('header', { class: `verdict ${status.verdict}` },
    h('h1', {}, h('span', { class: 'word' }, status.verdict), h('span', { class: 'name' }, `${loadTest.namespace}/${loadTest.name}`)),
    h('p', { class: 'message' }, sentence(status.message ?? status.reason ?? `phase ${status.phase}`)),
    h('p', { class: 'facts' }, when()),
    h('p', { class: 'facts' }, setup()));
}

function when() {
  const from = Date.parse(status.startTime ?? series.startedAt), to = Date.parse(status.completionTime ?? report.writtenAt);
  const day = (ms) => `${new Date(ms).toISOString().slice(0, 10)}, ${utc(ms)}`;
  const times = Number.isNaN(from) ? `written ${day(to)} UTC` : `${day(from)} to ${utc(to)} UTC · took ${millis(to - from)}`;
  return status.reason ? `Reason ${status.reason} · ${times}` : times;
}

function setup() {
  const { producer, topic, counter, stream } = spec;
  const wanted = typeof producer.rate === 'number' ? `${exact(producer.rate)} events/s` : `rate ${producer.rate}`;
  const producers = `${plural(producer.replicas, 'producer')}, ${wanted}, ${exact(stream.messageSizeBytes)} B each, acks ${producer.acks}`;
  const partitions = `${plural(topic.partitions, 'partition')}, ${plural(topic.replicationFactor, 'replica')}`;
  return `${producers} → ${partitions} → ${plural(counter.replicas, 'counter')}, ${counter.mode}`;
}

// ---- Key figures ----
const figure = (label, big, sub, style) => h('div', { class: style }, h('dt', {}, label), h('dd', { class: 'big' }, big), sub && h('dd', {}, sub));

const keyFigures = () => h('dl', { class: 'figures' }, status.ceiling ? ceilingFigures() : [...correctnessFigures(), ...speedFigures()]);

function correctnessFigures() {
  const found = status.correctness;
  if (!found) return [];
  const bad = (number) => number > 0 && 'bad';
  const counted = figure('Events counted', count(found.counted), `${exact(found.counted)} of ${exact(found.expected)} expected`, bad(found.lost + found.duplicated));
  // Before the verification nobody knows.
  if (found.digestMatches === undefined) return [counted, figure('Lost or counted twice', '?', 'not verified')];
  return [
    counted,
    figure('Lost', count(found.lost), found.lost ? plural(found.lost, 'event') : 'none', bad(found.lost)),
    figure('Counted twice', count(found.duplicated), found.duplicated ? plural(found.duplicated, 'event') : 'none', bad(found.duplicated)),
    figure('Accounts wrong', count(found.accountsWrong, 'accounts'), `of ${exact(found.accountsCompared)} compared`, bad(found.accountsWrong)),
  ];
}

function speedFigures() {
  const { producers, lag, pauses: still } = status, wanted = producers?.targetRatePerSecond;
  const share = wanted && `of ${exact(wanted)}/s wanted, ${((producers.ratePerSecond / wanted) * 100).toFixed(1)}${SPACE}%`;
  const longest = still?.count > 0 && `of ${plural(still.count, 'pause')}, in partition ${still.longestPartition}`;
  return [
    producers && figure('Rate reached', rate(producers.ratePerSecond), share ?? 'as fast as Kafka acknowledges'),
    latencyFigure(),
    lag && figure('Peak lag', count(lag.peakRecords), `events waited${lag.peakAt ? `, at ${at(lag.peakAt)}` : ''}`, 'slim'),
    still && figure('Longest pause', length(still.longestMs), longest || 'no partition stood still', 'slim'),
  ];
}
const at = (text) => (Number.isNaN(startedAt) ? utc(Date.parse(text)) : clock(since(text)));

function latencyFigure() {
  const { endToEnd, service } = status.latency ?? {};
  const quantiles = endToEnd ?? service;
  if (!quantiles) return undefined;
  const values = [['p50', quantiles.p50Us], ['p99', quantiles.p99Us], ['p99.9', quantiles.p999Us]];
  const triple = values.map(([name, us]) => h('span', {}, latency(us), h('small', {}, name)));
  return figure([endToEnd ? 'End-to-end latency' : 'Service latency', badge(validity)], triple, undefined, 'wide');
}

const outcome = (probe) => (probe.held === undefined ? 'running' : probe.held ? 'held' : 'failed');
function ceilingFigures() {
  const { ratePerSecond: held, failedRatePerSecond: failed, probes = [] } = status.ceiling;
  const best = probes.findLast((probe) => probe.held && probe.ratePerSecond === held);
  const long = probes.find((probe) => probe.purpose === 'Objective');
  return [
    figure('Highest rate that held', held === undefined ? 'none' : rate(held), 'the ceiling'),
    figure('Lowest rate that failed', failed === undefined ? 'none' : rate(failed), `${plural(probes.length, 'run')} in all`),
    best?.endToEndP99Us && figure(['End-to-end p99', probeBadge(best)], latency(best.endToEndP99Us, best.validity), `at the ceiling, in ${best.name}`),
    long && figure(['80 % of it, for long', badge(outcome(long))], rate(long.ratePerSecond), long.reason || 'objectives met', long.held === false && 'bad'),
  ];
}

// ---- What stopped it, objectives ----
function bottleneck() {
  const found = status.ceiling ? status.ceiling.bottleneck : status.bottleneck;
  if (!found) return undefined;
  const { component, because = [], notBecause = [] } = found;
  const isNothing = component === 'Nothing';
  return section(status.ceiling ? 'What stopped the rate that failed' : 'What stopped the run',
    h('p', { class: 'lead' }, isNothing ? sentence(`nothing: ${because.join('; ')}`) : `${component}, because`),
    !isNothing && h('ul', {}, because.map((reason) => h('li', {}, sentence(reason)))),
    status.ceiling && h('p', {}, confirmation(status.ceiling)),
    notBecause.length > 0 && h('details', {}, h('summary', {}, 'Why it was none of the others'), h('ul', {}, notBecause.map((reason) => h('li', {}, reason)))));
}

function confirmation({ relief, confirmed }) {
  if (!relief) return 'Not confirmed: no LoadTest can relieve it.';
  if (confirmed === undefined) return `Not confirmed: there are no two runs with ${relief} that agree.`;
  return confirmed ? `Confirmed: with ${relief} the same rate held.` : `Not confirmed: with ${relief} the same rate did not hold either.`;
}

function objectives() {
  const rows = (status.slo ?? []).map(({ name, limit, observed, state }) => {
    const isTime = name.endsWith('Ms');
    const seen = optional(observed, isTime ? (ms) => [titled((validity === 'Valid' ? '' : '~') + millis(ms), `${exact(ms)} ms`), ' ', badge(validity)] : count);
    return [titled(capital(words(name.replace(/Ms$/, ''))), `spec.slo.${name}`), tidy(isTime ? millis(limit) : short(limit)), seen, badge(state)];
  });
  return rows.length > 0 && section('Objectives', table('Objective, Limit|num, Observed|end, Result', rows));
}
